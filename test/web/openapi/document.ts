import type { OpenApiDocument, Operation } from '../../../src/web/openapi.js'
import type { Portal } from '../support.js'

/** The document as a client gets it: over HTTP, without signing in. */
export const readDocument = async (portal: Pick<Portal, 'ask'>): Promise<OpenApiDocument> =>
  (await (await portal.ask('/telesto/api/openapi.json')).json()) as OpenApiDocument

export interface Told {
  readonly method: 'get' | 'post'
  readonly path: string
  readonly operation: Operation
}

export const operationsOf = ({ paths }: OpenApiDocument): readonly Told[] =>
  Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ method: method as 'get' | 'post', path, operation })),
  )
