import { z } from 'zod'
import { TelestoError } from '../errors.js'
import { findAsset } from './assets.js'
import { defineRoute } from './route.js'

export const assetRoute = defineRoute({
  name: 'getAsset',
  method: 'get',
  path: '/assets/:file',
  kind: 'asset',
  summary: 'Script and style of the pages',
  who: 'anyone',
  params: z.object({ file: z.string() }),
  query: z.object({}),
  handler: (context, { params }) => {
    const found = findAsset(params.file)
    if (!found) throw new TelestoError('not_found', `There is no asset ${JSON.stringify(params.file)}.`)
    const etag = `"${found.name}"`
    const headers = { etag, 'cache-control': 'public, max-age=31536000, immutable' }
    if (context.request.header('if-none-match') === etag)
      return { status: 304, headers, bytes: new Uint8Array(), type: found.type }
    return { headers, bytes: found.bytes, type: found.type }
  },
})
