import { TelestoError } from './errors.js'
import { statusCodeOf } from './status.js'
import type { Value } from './store/database.js'

type OneOrMany<T> = T | readonly T[]
type Json = string | number | boolean | null

interface Fields {
  readonly id: OneOrMany<number>
  readonly app: OneOrMany<string>
  readonly name: OneOrMany<string>
  readonly description: OneOrMany<string>
  /** A display name, a code, or a custom text. */
  readonly status: OneOrMany<string>
  readonly jobType: OneOrMany<string>
  readonly user: OneOrMany<string>
  /** In at least one of these groups. */
  readonly groups: OneOrMany<string>
  /** The name of a scheduler setting. */
  readonly scheduler: OneOrMany<string>
  /** Has all these tags. */
  readonly tags: Readonly<Record<string, string>>
  readonly parentId: OneOrMany<number>
  /** Values at paths of the extended properties: { 'basin.name': 'nile' }. */
  readonly extendedProperties: Readonly<Record<string, Json>>
}
type Text = 'name' | 'description' | 'user'
type Time = 'creationTime' | 'executeTime' | 'startTime' | 'completionTime'

/**
 * Conditions that must all hold. `…Ne` is its contrary, `…Contains` looks for a text within (case-insensitive for A to Z),
 * `…After` and `…Before` are exclusive bounds of a time. An array means: one of these.
 */
export type JobFilter = Partial<Fields> &
  Partial<{ readonly [F in keyof Fields as `${F}Ne`]: Fields[F] }> &
  Partial<{ readonly [F in Text as `${F}Contains`]: string }> &
  Partial<{ readonly extendedPropertiesContains: Readonly<Record<string, string>> }> &
  Partial<{ readonly [F in Time as `${F}After` | `${F}Before`]: Date }> & {
    /** At least one of these filters holds. */
    readonly or?: readonly JobFilter[]
  }

/** A condition as SQL with its parameters, numbered from $1. */
export interface Condition {
  readonly sql: string
  readonly params: readonly Value[]
}

type Make = (value: unknown, field: string, bind: (value: Value) => string) => string

const COLUMNS: Readonly<Record<string, string>> = {
  app: 'j.app',
  name: 'j.name',
  description: 'j.description',
  jobType: 'j.job_type',
  user: 'j.user_id',
  scheduler: 'j.scheduler_setting',
}
const TIMES: Readonly<Record<Time, string>> = {
  creationTime: 'j.creation_time',
  executeTime: 'j.execute_time',
  startTime: 'j.start_time',
  completionTime: 'j.completion_time',
}

const text = (value: unknown, field: string): string => {
  if (typeof value === 'string') return value
  throw new TelestoError('invalid', `The filter ${field} takes a string.`, { field })
}
const integer = (value: unknown, field: string): number => {
  if (Number.isSafeInteger(value)) return value as number
  throw new TelestoError('invalid', `The filter ${field} takes a whole number.`, { field })
}
const many = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [value])
const entries = (value: unknown, field: string): [string, unknown][] => {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return Object.entries(value)
  throw new TelestoError('invalid', `The filter ${field} takes an object of names and values.`, { field })
}

/** `x IN (…)`; an empty list holds for no job. */
const among = (column: string, values: readonly string[]): string =>
  values.length === 0 ? 'FALSE' : `${column} IN (${values.join(', ')})`

const escapeLike = (value: string): string => value.replace(/[\\%_]/g, (char) => `\\${char}`)
const contains = (column: string, value: string, bind: (value: Value) => string): string =>
  `${column} LIKE ${bind(`%${escapeLike(value)}%`)} ESCAPE '\\'`

const jsonPath = (path: string, field: string): string => {
  const parts = path.split('.')
  if (parts.every((part) => /^[\w-]{1,255}$/.test(part))) return `$${parts.map((part) => `."${part}"`).join('')}`
  throw new TelestoError(
    'invalid',
    `The path ${JSON.stringify(path)} of ${field} is not one of names joined by dots; a name has letters, digits, _ and -.`,
    { field: `${field}.${path}` },
  )
}
const jsonAt = (path: string, field: string, bind: (value: Value) => string): string =>
  `json_extract(j.extended_properties, ${bind(jsonPath(path, field))})`
const jsonValue = (value: unknown, field: string, bind: (value: Value) => string): string => {
  if (value === null) return 'NULL'
  if (typeof value === 'boolean') return value ? '1' : '0'
  if (typeof value === 'number' || typeof value === 'string') return bind(value)
  throw new TelestoError('invalid', `The filter ${field} takes a string, a number, true, false or null.`, { field })
}

const MAKERS: Readonly<Record<string, Make>> = {
  id: (value, field, bind) =>
    among(
      'j.id',
      many(value).map((id) => bind(integer(id, field))),
    ),
  status: (value, field, bind) => {
    const custom: string[] = []
    const codes: string[] = []
    for (const status of many(value)) {
      const code = statusCodeOf(text(status, field))
      if (code) codes.push(bind(code))
      else custom.push(bind(text(status, field)))
    }
    const tests = [
      ...(codes.length > 0 ? [among('j.status_code', codes)] : []),
      ...(custom.length > 0 ? [among('j.custom_status', custom)] : []),
    ]
    return tests.length === 0 ? 'FALSE' : tests.join(' OR ')
  },
  groups: (value, field, bind) => {
    const names = many(value).map((group) => bind(text(group, field)))
    return `j.id IN (SELECT g.job_id FROM telesto_groups g WHERE ${among('g.name', names)})`
  },
  tags: (value, field, bind) =>
    all(
      entries(value, field).map(
        ([name, tag]) =>
          `j.id IN (SELECT t.job_id FROM telesto_tags t WHERE t.name = ${bind(name)} AND t.value = ${bind(text(tag, `${field}.${name}`))})`,
      ),
    ),
  parentId: (value, field, bind) => {
    const ids = many(value).map((id) => bind(integer(id, field)))
    return `j.id IN (SELECT p.job_id FROM telesto_parents p WHERE ${among('p.parent_id', ids)})`
  },
  extendedProperties: (value, field, bind) =>
    all(
      entries(value, field).map(
        ([path, at]) => `${jsonAt(path, field, bind)} IS ${jsonValue(at, `${field}.${path}`, bind)}`,
      ),
    ),
  extendedPropertiesContains: (value, field, bind) =>
    all(
      entries(value, field).map(([path, part]) =>
        contains(jsonAt(path, field, bind), text(part, `${field}.${path}`), bind),
      ),
    ),
  or: (value, field, bind) => {
    if (!Array.isArray(value)) throw new TelestoError('invalid', 'The filter or takes an array of filters.', { field })
    return value.length === 0
      ? 'FALSE'
      : value.map((filter: JobFilter) => `(${conjunction(filter, bind)})`).join(' OR ')
  },
  ...Object.fromEntries(
    Object.entries(COLUMNS).map(([name, column]): [string, Make] => [
      name,
      (value, field, bind) =>
        among(
          column,
          many(value).map((one) => bind(text(one, field))),
        ),
    ]),
  ),
  ...Object.fromEntries(
    (['name', 'description', 'user'] as const).map((name): [string, Make] => [
      `${name}Contains`,
      (value, field, bind) => contains(COLUMNS[name] as string, text(value, field), bind),
    ]),
  ),
  ...Object.fromEntries(
    Object.entries(TIMES).flatMap(([name, column]): [string, Make][] =>
      [['After', '>'] as const, ['Before', '<'] as const].map(([suffix, operator]) => [
        `${name}${suffix}`,
        (value, field, bind) => {
          if (value instanceof Date && !Number.isNaN(value.getTime()))
            return `${column} ${operator} ${bind(value.getTime())}`
          throw new TelestoError('invalid', `The filter ${field} takes a Date.`, { field })
        },
      ]),
    ),
  ),
}

const all = (tests: readonly string[]): string => (tests.length === 0 ? 'TRUE' : tests.join(' AND '))
/** NULL counts as "does not hold", so that the contrary of a test holds where there is no value. */
const not = (test: string): string => `NOT COALESCE((${test}), FALSE)`

const conjunction = (filter: JobFilter, bind: (value: Value) => string): string =>
  all(
    Object.entries(filter)
      .filter(([, value]) => value !== undefined)
      .map(([field, value]) => {
        const make = MAKERS[field]
        if (make) return `(${make(value, field, bind)})`
        const contrary = field.endsWith('Ne') ? MAKERS[field.slice(0, -2)] : undefined
        if (contrary && field !== 'orNe') return not(contrary(value, field, bind))
        throw new TelestoError('unknown_field', `There is no filter ${JSON.stringify(field)}. Known: ${known}.`, {
          field,
        })
      }),
  )
const known = Object.keys(MAKERS).sort().join(', ')

/** All of `filters` and none of `excluded`, as SQL over telesto_jobs j. Throws TelestoError `unknown_field` or `invalid`. */
export const condition = (filters: readonly JobFilter[], excluded: readonly JobFilter[] = []): Condition => {
  const params: Value[] = []
  const bind = (value: Value): string => `$${params.push(value)}`
  const tests = [
    ...filters.map((filter) => conjunction(filter, bind)),
    ...excluded.map((filter) => not(conjunction(filter, bind))),
  ].filter((test) => test !== 'TRUE')
  return { sql: all(tests), params }
}
