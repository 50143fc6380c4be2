import path from 'node:path'
import { z } from 'zod'
import { TelestoError } from '../../errors.js'
import { IMAGE_TYPES, imageType } from '../images.js'
import { jobParams, none } from '../params.js'
import { defineRoute } from '../route.js'
import { seenJob } from './jobs.js'

const listResults = defineRoute({
  name: 'listJobResults',
  method: 'get',
  path: '/api/jobs/:id/results',
  kind: 'api',
  summary: 'The files that the current attempt of a job left',
  who: 'user',
  params: jobParams,
  query: none,
  output: z.object({
    files: z.array(z.object({ path: z.string(), size: z.int(), modifiedAt: z.iso.datetime() })),
  }),
  errors: ['not_found'],
  handler: async (context, { params }) => {
    const job = await seenJob(context, params.id)
    const files = await job.results()
    return { json: { files: files.map((file) => ({ ...file, modifiedAt: file.modifiedAt.toISOString() })) } }
  },
})

/** A result is a stranger's file: whatever it holds, it runs nothing, and an SVG keeps only its style. */
const SANDBOX = "default-src 'none'; style-src 'unsafe-inline'; sandbox"

const downloadResult = defineRoute({
  name: 'getJobResult',
  method: 'get',
  path: '/api/jobs/:id/results/file',
  kind: 'api',
  summary: 'One result file; with inline=1 images are shown instead of downloaded',
  who: 'user',
  params: jobParams,
  query: z.strictObject({
    path: z.string().min(1),
    inline: z.enum(['0', '1']).default('0'),
    v: z.string().optional().describe('Anything: makes another address of a file that has changed.'),
  }),
  content: {
    types: ['application/octet-stream', ...IMAGE_TYPES],
    headers: { 'Content-Disposition': 'Whether it is shown or downloaded, and under which name.' },
  },
  errors: ['not_found', 'unsafe_path'],
  handler: async (context, { params, query }) => {
    const job = await seenJob(context, params.id)
    // A path that goes up is refused even where it would come back.
    if (query.path.split(/[\\/]/).includes('..')) {
      throw new TelestoError('unsafe_path', 'A path of a result has no "..".', { field: 'path' })
    }
    const file = await job.resultPath(query.path)
    // The name decides nothing about the file behind a link: the real one does.
    const image = query.inline === '1' ? imageType(file) : undefined
    return {
      file,
      type: image ?? 'application/octet-stream',
      headers: {
        'content-disposition': `${image ? 'inline' : 'attachment'}; ${fileName(path.posix.basename(query.path))}`,
        'content-security-policy': SANDBOX,
      },
    }
  },
})

/** A file name as a header can carry it: ASCII for old clients, and the whole of it. */
const fileName = (name: string): string => {
  const ascii = name.replace(/[^ !#$&+.0-9A-Z^_`a-z~-]/g, '_')
  const encoded = encodeURIComponent(name.toWellFormed()).replace(
    /['()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  )
  return `filename="${ascii}"; filename*=UTF-8''${encoded}`
}

export const resultRoutes = [listResults, downloadResult]
