import fc from 'fast-check'
import type { Operation, Parameter } from '../../../src/web/openapi.js'
import { allowedBy, wildJson, wildText } from './arbitrary.js'
import type { Told } from './document.js'

/** One request as it will be sent, and what was meant by it. */
export interface Sent {
  readonly told: Told
  readonly method: string
  /** A place in the pool of jobs that are there, or a text of its own, encoded. */
  readonly id: number | string
  readonly query: string
  readonly as: 'ada' | 'bob' | 'gus' | 'root' | 'nobody'
  readonly token: 'none' | 'right' | 'wrong' | 'garbled'
  readonly headers: Readonly<Record<string, string>>
  readonly body: { readonly type: string | undefined; readonly bytes: string | Uint8Array } | undefined
  /** All of it is as the document asks. */
  readonly asDocumented: boolean
}

interface Piece<T> {
  readonly value: T
  readonly asDocumented: boolean
}
const good = <T>(of: fc.Arbitrary<T>): fc.Arbitrary<Piece<T>> => of.map((value) => ({ value, asDocumented: true }))
const bad = <T>(of: fc.Arbitrary<T>): fc.Arbitrary<Piece<T>> => of.map((value) => ({ value, asDocumented: false }))

/** Names that exist, so that not all that is looked for is missing. */
const KNOWN: Readonly<Record<string, readonly string[]>> = {
  name: ['stdout'],
  path: ['plot.svg', 'sub/a.txt', '../plot.svg', '.telesto/report'],
  status: ['Running', 'PEN', 'Complete'],
  user: ['ada', 'bob'],
  app: ['nile'],
  ids: ['1-20,25'],
  since: ['0', '5'],
}

const pair = (name: string, value: unknown): string =>
  `${encodeURIComponent(name)}=${encodeURIComponent(String(value))}`
const written = ({ name }: Parameter, value: unknown): readonly string[] => {
  if (Array.isArray(value)) return value.map((one) => pair(name, one))
  if (typeof value !== 'object' || value === null) return [pair(name, value)]
  return Object.entries(value).map(([key, inner]) => pair(`${name}[${key}]`, inner))
}

const parameter = (of: Parameter): fc.Arbitrary<Piece<readonly string[]>> => {
  const known = KNOWN[of.name]
  return fc.oneof(
    { weight: of.required ? 1 : 40, arbitrary: fc.constant({ value: [], asDocumented: !of.required }) },
    // Ranges of ids have an order, which a pattern cannot say.
    ...(of.name === 'ids'
      ? []
      : [{ weight: 5, arbitrary: good(allowedBy(of.schema).map((value) => written(of, value))) }]),
    ...(known ? [{ weight: 5, arbitrary: good(fc.constantFrom(...known).map((value) => written(of, value))) }] : []),
    { weight: 1, arbitrary: bad(wildText.map((value) => [pair(of.name, value)])) },
  )
}

const query = (operation: Operation): fc.Arbitrary<Piece<string>> => {
  const parameters = operation.parameters.filter((one) => one.in === 'query')
  const unknown = bad(fc.tuple(wildText, wildText).map(([name, value]) => [pair(name, value)]))
  const extra = fc.oneof({ weight: 15, arbitrary: good(fc.constant([])) }, { weight: 1, arbitrary: unknown })
  return fc.tuple(...parameters.map(parameter), extra).map((pieces) => ({
    value: pieces.flatMap(({ value }) => value).join('&'),
    asDocumented: pieces.every(({ asDocumented }) => asDocumented),
  }))
}

type Body = Sent['body']
const json = (value: unknown): Body => ({ type: 'application/json', bytes: JSON.stringify(value) })
const form = (value: unknown): Body => ({
  type: 'application/x-www-form-urlencoded',
  bytes: new URLSearchParams(Object.entries(value as object).map(([name, one]) => [name, String(one)])).toString(),
})

const body = (operation: Operation): fc.Arbitrary<Piece<Body>> => {
  const content = operation.requestBody?.content ?? {}
  const documented = Object.entries(content).map(([type, { schema = {} }]) => ({
    weight: 6,
    arbitrary: good(allowedBy(schema).map(type === 'application/json' ? json : form)),
  }))
  const bytes = fc.oneof(
    fc.constantFrom<string | Uint8Array>(
      '{',
      '[]',
      '""',
      '1',
      'null',
      '{"a":1}x',
      `{"status":"${'x'.repeat(70_000)}"}`,
    ),
    fc.uint8Array({ maxLength: 40 }),
    wildText,
  )
  const types = fc.constantFrom(
    'application/json',
    'application/x-www-form-urlencoded',
    'text/plain',
    'multipart/form-data',
    undefined,
  )
  return fc.oneof(
    { weight: 6, arbitrary: good(fc.constant<Body>(undefined)) },
    ...documented,
    { weight: 3, arbitrary: bad(wildJson.map(json)) },
    { weight: 3, arbitrary: bad(fc.record({ type: types, bytes })) },
  )
}

const strange = fc.constantFrom<readonly [string, string]>(
  ['accept', 'text/html'],
  ['accept', 'application/xml;q=0'],
  ['origin', 'https://elsewhere.example'],
  ['sec-fetch-site', 'cross-site'],
  ['if-none-match', '*'],
  ['last-event-id', '99999999999999999999'],
  ['last-event-id', '1'],
  ['hx-request', 'true'],
  ['x-forwarded-for', '10.0.0.1, <script>'],
  ['x-http-method-override', 'DELETE'],
  ['range', 'bytes=0-1'],
  ['content-encoding', 'gzip'],
  ['cookie', 'session=garbled; session=again'],
)
const headers = fc.oneof(
  { weight: 5, arbitrary: good(fc.constant({})) },
  {
    weight: 1,
    arbitrary: bad(fc.array(strange, { minLength: 1, maxLength: 3 }).map((pairs) => Object.fromEntries(pairs))),
  },
)

/** What the parser of addresses leaves as it is. */
const segment = wildText.filter((text) => text !== '' && text !== '.' && text !== '..').map(encodeURIComponent)
const id = fc.oneof(
  { weight: 12, arbitrary: good(fc.nat(999) as fc.Arbitrary<number | string>) },
  {
    weight: 1,
    arbitrary: good(allowedBy({ type: 'integer', minimum: 1, maximum: Number.MAX_SAFE_INTEGER }).map(String)),
  },
  { weight: 1, arbitrary: bad(fc.oneof(segment, fc.constantFrom('%E0', '%', '%2F', '%ff'))) },
)

/** Requests of one operation. */
export const requestsOf = (told: Told): fc.Arbitrary<Sent> => {
  const { method, operation } = told
  const other = fc.constantFrom('HEAD', 'OPTIONS', 'PUT', 'PATCH', 'DELETE', method === 'get' ? 'POST' : 'GET')
  const pieces = {
    method: fc.oneof(
      { weight: 15, arbitrary: good(fc.constant(method.toUpperCase())) },
      { weight: 1, arbitrary: bad(other) },
    ),
    id,
    query: query(operation),
    headers,
    body: body(operation),
  }
  const as = fc.constantFrom<Sent['as'][]>('ada', 'ada', 'root', 'gus', 'bob', 'nobody')
  const token = operation.security.some((one) => 'reportToken' in one)
    ? fc.constantFrom<Sent['token'][]>('right', 'right', 'right', 'wrong', 'garbled', 'none')
    : fc.constantFrom<Sent['token'][]>('none', 'none', 'none', 'none', 'wrong')
  return fc.record({ ...pieces, as, token }).map(({ as, token, ...made }) => ({
    told,
    as,
    token,
    method: made.method.value,
    id: made.id.value,
    query: made.query.value,
    headers: made.headers.value,
    body: ['GET', 'HEAD'].includes(made.method.value) ? undefined : made.body.value,
    asDocumented: Object.values(made).every(({ asDocumented }) => asDocumented) && token !== 'garbled',
  }))
}
