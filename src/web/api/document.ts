import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Urls } from '../../core.js'
import { version } from '../../version.js'
import { openApiDocument } from '../openapi.js'
import { none } from '../params.js'
import { defineRoute, type Route } from '../route.js'

interface Made {
  readonly bytes: Buffer
  readonly etag: string
}

/** The document of all routes, this one with them. Made once for each Telesto. */
export const documentRoute = (routes: () => readonly Route[]): Route => {
  const made = new WeakMap<Urls, Made>()
  const make = (urls: Urls): Made => {
    const bytes = Buffer.from(JSON.stringify(openApiDocument(routes(), urls.page(''), version())))
    const document = { bytes, etag: `"${createHash('sha256').update(bytes).digest('hex').slice(0, 12)}"` }
    made.set(urls, document)
    return document
  }
  return defineRoute({
    name: 'getOpenApi',
    method: 'get',
    path: '/api/openapi.json',
    kind: 'api',
    summary: 'This document',
    who: 'anyone',
    params: none,
    query: none,
    output: z.record(z.string(), z.unknown()),
    empty: { 304: 'It is still the one that If-None-Match names.' },
    handler: ({ core, request }) => {
      const { bytes, etag } = made.get(core.urls) ?? make(core.urls)
      const headers = { etag, 'cache-control': 'no-cache' }
      const type = 'application/json; charset=utf-8'
      if (request.header('if-none-match') === etag) return { status: 304, headers, bytes: new Uint8Array(), type }
      return { headers, bytes, type }
    },
  })
}
