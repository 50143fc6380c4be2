import { z } from 'zod'
import { STATUS_OF, type TelestoErrorCode } from '../errors.js'
import { errorSchema } from './errors.js'
import type { Route } from './route.js'

/** An OpenAPI 3.1 document, as JSON. */
export interface OpenApiDocument {
  readonly openapi: '3.1.0'
  readonly info: { readonly title: string; readonly version: string; readonly description: string }
  readonly servers: readonly { readonly url: string }[]
  readonly paths: Readonly<Record<string, Readonly<Partial<Record<Route['method'], Operation>>>>>
  readonly components: { readonly schemas: Readonly<Record<string, JsonSchema>>; readonly securitySchemes: object }
}

export interface Operation {
  readonly operationId: string
  readonly summary: string
  readonly security: readonly object[]
  readonly parameters: readonly Parameter[]
  readonly requestBody?: { readonly required: false; readonly content: Content }
  readonly responses: Readonly<Record<string, Response>>
}

export interface Parameter {
  readonly name: string
  readonly in: 'path' | 'query'
  readonly required: boolean
  readonly schema: JsonSchema
  readonly description?: string
  readonly style?: string
  readonly explode?: boolean
}

interface Response {
  readonly description: string
  readonly headers?: Readonly<Record<string, object>>
  readonly content?: Content
}

export type JsonSchema = Readonly<Record<string, unknown>>
type Content = Readonly<Record<string, { readonly schema?: JsonSchema }>>

const DESCRIPTION = `Jobs, their logs, results and history, and the reports of jobs.

Every error has one shape: a code for programs, a sentence for people, and the field that is wrong. Another method of a known
path is 405, with Allow. An unknown parameter of a query is 400. What a person may not see is 404. A 500 "internal" is a defect,
whose reason stands in the log of the server. A form may be sent instead of JSON where that is told; a body of any other type is
read as JSON.`

const SECURITY = {
  session: {
    type: 'apiKey',
    in: 'cookie',
    name: 'session',
    description:
      'The portal’s own sign-in, whatever it is: Telesto asks its host who sent a request. Send what the portal’s pages send, usually a cookie; its name here is only an example.',
  },
  reportToken: {
    type: 'http',
    scheme: 'bearer',
    description: 'The token of a job’s current attempt: it stands in the file that TELESTO_REPORT names in the job.',
  },
}

/** What is documented: programs call these. Pages are for people. */
export const isDocumented = ({ kind }: Route): boolean => kind === 'api' || kind === 'callback'

/** The document of a route table. `url` is where the router is mounted. Pure. */
export const openApiDocument = (routes: readonly Route[], url: string, version: string): OpenApiDocument => {
  const schemas = new Schemas()
  const paths: Record<string, Partial<Record<Route['method'], Operation>>> = {}
  for (const route of routes.filter(isDocumented)) {
    const path = route.path.replace(/:(\w+)/g, '{$1}')
    paths[path] = { ...paths[path], [route.method]: operation(route, schemas) }
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Telesto', version, description: DESCRIPTION },
    servers: [{ url: url || '/' }],
    paths,
    components: { schemas: schemas.named, securitySchemes: SECURITY },
  }
}

const operation = (route: Route, schemas: Schemas): Operation => {
  const { params, query, body } = route.input
  const content = body && bodyContent(route, schemas.of(body, 'input'))
  return {
    operationId: route.name,
    summary: route.summary,
    security: securityOf(route),
    parameters: [
      ...parameters('path', schemas.of(params, 'input')),
      ...parameters('query', schemas.of(query, 'input')),
    ],
    ...(content ? { requestBody: { required: false, content } } : {}),
    responses: { 200: success(route, schemas), ...emptyAnswers(route), ...failures(route, schemas) },
  }
}

const securityOf = ({ kind, who }: Route): readonly object[] => {
  if (kind === 'callback') return [{}, { reportToken: [] }]
  return who === 'user' ? [{ session: [] }] : []
}

const propertiesOf = (schema: JsonSchema) => Object.entries((schema.properties ?? {}) as Record<string, JsonSchema>)

const parameters = (place: Parameter['in'], of: JsonSchema): readonly Parameter[] =>
  propertiesOf(of).map(([name, { description, ...schema }]) => ({
    name,
    in: place,
    required: place === 'path' || ((of.required ?? []) as readonly string[]).includes(name),
    schema,
    ...(typeof description === 'string' ? { description } : {}),
    ...(schema.type === 'object' ? { style: 'deepObject', explode: true } : {}),
    ...(schema.type === 'array' ? { style: 'form', explode: true } : {}),
  }))

/** Fields of a report are numbers and objects, which no form can send. */
const bodyContent = ({ kind }: Route, schema: JsonSchema): Content | undefined => {
  if (propertiesOf(schema).length === 0) return undefined
  const types = ['application/json', ...(kind === 'callback' ? [] : ['application/x-www-form-urlencoded'])]
  return Object.fromEntries(types.map((type) => [type, { schema }]))
}

const header = (description: string, required = true): object => ({
  description,
  required,
  schema: { type: 'string' },
})

const success = ({ output, content }: Route, schemas: Schemas): Response => {
  const description = 'Done.'
  if (output) return { description, content: { 'application/json': { schema: schemas.of(output, 'output') } } }
  const headers = Object.entries(content?.headers ?? {}).map(([name, told]) => [name, header(told)] as const)
  return {
    description,
    ...(headers.length > 0 ? { headers: Object.fromEntries(headers) } : {}),
    content: Object.fromEntries(
      (content?.types ?? []).map((type) => [type, type.startsWith('text/') ? { schema: { type: 'string' } } : {}]),
    ),
  }
}

const emptyAnswers = ({ empty = {} }: Route): Record<string, Response> =>
  Object.fromEntries(Object.entries(empty).map(([status, description]) => [status, { description }]))

/** The errors of this route, each with all codes that it can have. */
const failures = (route: Route, schemas: Schemas): Record<string, Response> => {
  const byStatus = Map.groupBy(new Set(codesOf(route)), (code) => STATUS_OF[code])
  const shape = schemas.of(errorSchema, 'output')
  return Object.fromEntries(
    [...byStatus].map(([status, codes]) => {
      const code = { type: 'string', enum: codes }
      const one = { type: 'object', properties: { error: { type: 'object', properties: { code } } } }
      const response: Response = {
        description: `Refused: ${codes.join(', ')}.`,
        ...(status === 429 ? { headers: { 'Retry-After': header('Seconds to wait.', false) } } : {}),
        ...(status === 405 ? { headers: { Allow: header('The methods of this path.') } } : {}),
        content: { 'application/json': { schema: { allOf: [shape, one] } } },
      }
      return [status, response]
    }),
  )
}

const codesOf = ({ kind, method, who, input, errors = [] }: Route): readonly TelestoErrorCode[] => {
  const writes = method === 'post'
  const asksStore = who === 'user' || (kind === 'callback' && writes)
  return [
    'invalid',
    'unknown_field',
    'too_many_requests',
    ...(input.body === undefined ? [] : (['body_invalid', 'body_too_large'] as const)),
    ...(who === 'user' ? (['not_signed_in'] as const) : []),
    ...(writes && kind !== 'callback' ? (['cross_site'] as const) : []),
    ...(asksStore ? (['closed', 'database_locked', 'database_read_only'] as const) : []),
    ...(asksStore && writes ? (['database_full'] as const) : []),
    ...errors,
  ]
}

/** JSON Schemas of zod's; those with an id become components, and are referred to. */
class Schemas {
  readonly named: Record<string, JsonSchema> = {}

  of(schema: z.ZodType, io: 'input' | 'output'): JsonSchema {
    // Inside an array, so that a schema that has an id itself is referred to as well.
    const { items, $defs = {} } = z.toJSONSchema(z.array(schema), {
      io,
      override: ({ jsonSchema }) => {
        // What a parameter is for its sender, without how it is written in an address.
        if (jsonSchema.type === 'integer') delete jsonSchema.pattern
        if (jsonSchema.type === 'array') delete jsonSchema.anyOf
      },
    })
    for (const [name, one] of Object.entries($defs)) this.named[name] = asComponent(one as JsonSchema)
    return asComponent(items as JsonSchema)
  }
}

const asComponent = (schema: JsonSchema): JsonSchema =>
  JSON.parse(JSON.stringify(schema).replaceAll('"#/$defs/', '"#/components/schemas/')) as JsonSchema
