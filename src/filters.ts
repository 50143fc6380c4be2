import { TelestoError } from './errors.js'
import { statusCodeOf } from './status.js'
import type { Value } from './store/database.js'
import { type DialectName, dialects } from './store/dialect.js'

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
  /** The same as a union, where it is one: such a list is merged from an index of each of its sources. */
  readonly union?: Union
}

/** All jobs of these users and of these groups, for which `rest` holds. */
export interface Union {
  readonly users: readonly string[]
  readonly groups: readonly string[]
  readonly rest: Condition
}

/** The statement that a condition becomes part of. */
interface Statement {
  readonly dialect: (typeof dialects)[DialectName]
  bind(value: Value): string
  /** Holds for the jobs that have a row in another table, whose column `jobId` is theirs, for which `where` holds. */
  having(rows: string, jobId: string, where: string): string
}

type Make = (value: unknown, field: string, statement: Statement) => string

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
  if (typeof value === 'string' && !value.includes('\0')) return value
  throw new TelestoError('invalid', `The filter ${field} takes a string without NUL characters.`, { field })
}
/** Safe in SQL as it is: a list of ids may be longer than a statement can have parameters. */
const integer = (value: unknown, field: string): string => {
  if (Number.isSafeInteger(value)) return String(value)
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

/** The longest text that is looked for within another. */
const MAX_CONTAINED = 10_000
const escapeLike = (value: string): string => value.replace(/[\\%_]/g, (char) => `\\${char}`)
const contains = (column: string, value: unknown, field: string, { bind, dialect }: Statement): string => {
  const part = text(value, field)
  if (part.length <= MAX_CONTAINED) return dialect.like(column, bind(`%${escapeLike(part)}%`))
  throw new TelestoError('invalid', `The filter ${field} looks for at most ${MAX_CONTAINED} characters.`, { field })
}

const jsonPath = (path: string, field: string): readonly string[] => {
  const parts = path.split('.')
  if (parts.every((part) => /^[\w-]{1,255}$/.test(part))) return parts
  throw new TelestoError(
    'invalid',
    `The path ${JSON.stringify(path)} of ${field} is not one of names joined by dots; a name has letters, digits, _ and -.`,
    { field: `${field}.${path}` },
  )
}
/** The value as the stored properties spell it, so that 1, "1" and true are three values. */
const jsonValue = (value: unknown, field: string): string => {
  if (value === null || typeof value === 'boolean' || typeof value === 'string' || Number.isFinite(value))
    return JSON.stringify(value)
  throw new TelestoError('invalid', `The filter ${field} takes a string, a number, true, false or null.`, { field })
}

const makers: Readonly<Record<string, Make>> = {
  id: (value, field) =>
    among(
      'j.id',
      many(value).map((id) => integer(id, field)),
    ),
  status: (value, field, { bind }) => {
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
  groups: (value, field, { bind, having }) => {
    const names = many(value).map((group) => bind(text(group, field)))
    return having('telesto_groups g', 'g.job_id', among('g.name', names))
  },
  tags: (value, field, { bind, having }) =>
    all(
      entries(value, field).map(([name, tag]) => {
        const where = `t.name = ${bind(text(name, field))} AND t.value = ${bind(text(tag, `${field}.${name}`))}`
        return having('telesto_tags t', 't.job_id', where)
      }),
    ),
  parentId: (value, field) => {
    const ids = many(value).map((id) => integer(id, field))
    return `j.id IN (SELECT p.job_id FROM telesto_parents p WHERE ${among('p.parent_id', ids)})`
  },
  extendedProperties: (value, field, { bind, dialect }) =>
    all(
      entries(value, field).map(
        ([path, at]) =>
          `COALESCE(${dialect.jsonAt('j.extended_properties', jsonPath(path, field), bind)}, 'null') = ${bind(jsonValue(at, `${field}.${path}`))}`,
      ),
    ),
  extendedPropertiesContains: (value, field, statement) =>
    all(
      entries(value, field).map(([path, part]) => {
        const at = statement.dialect.textAt('j.extended_properties', jsonPath(path, field), statement.bind)
        return contains(at, part, `${field}.${path}`, statement)
      }),
    ),
  or: (value, field, statement) => {
    if (!Array.isArray(value)) throw new TelestoError('invalid', 'The filter or takes an array of filters.', { field })
    return value.length === 0
      ? 'FALSE'
      : value.map((filter: unknown) => `(${conjunction(filter, statement)})`).join(' OR ')
  },
  ...Object.fromEntries(
    Object.entries(COLUMNS).map(([name, column]): [string, Make] => [
      name,
      (value, field, { bind }) =>
        among(
          column,
          many(value).map((one) => bind(text(one, field))),
        ),
    ]),
  ),
  ...Object.fromEntries(
    (['name', 'description', 'user'] as const).map((name): [string, Make] => [
      `${name}Contains`,
      (value, field, statement) => contains(COLUMNS[name] as string, value, field, statement),
    ]),
  ),
  ...Object.fromEntries(
    Object.entries(TIMES).flatMap(([name, column]): [string, Make][] =>
      [['After', '>'] as const, ['Before', '<'] as const].map(([suffix, operator]) => [
        `${name}${suffix}`,
        (value, field, { bind }) => {
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

/** By a Map: "constructor" is no filter, and what a filter is called may come from outside. */
const MAKERS: ReadonlyMap<string, Make> = new Map(Object.entries(makers))

const conjunction = (filter: unknown, statement: Statement): string => {
  if (typeof filter !== 'object' || filter === null || Array.isArray(filter)) {
    throw new TelestoError('invalid', 'A filter is an object: { status: "Running" }.', { field: 'filter' })
  }
  return all(Object.entries(filter).map(([field, value]) => test(field, value, statement)))
}
const test = (field: string, value: unknown, statement: Statement): string => {
  const make = MAKERS.get(field)
  const contrary = field.endsWith('Ne') && field !== 'orNe' ? MAKERS.get(field.slice(0, -2)) : undefined
  if (!make && !contrary) {
    throw new TelestoError('unknown_field', `There is no filter ${JSON.stringify(field)}. Known: ${known}.`, { field })
  }
  // Not "no filter": whoever asks for the jobs of a user that is not there must not get those of all.
  if (value === undefined) {
    throw new TelestoError('invalid', `The filter ${field} is undefined. Give it a value, or leave it out.`, { field })
  }
  return make ? `(${make(value, field, statement)})` : not((contrary as Make)(value, field, statement))
}
const known = [...MAKERS.keys()].sort().join(', ')
/** So many values in all filters of a query; ids do not count. */
const MAX_VALUES = 5000

/** All of `filters` and none of `excluded`, as SQL over telesto_jobs j. Throws TelestoError `unknown_field` or `invalid`. */
export const condition = (
  dialect: DialectName,
  filters: readonly JobFilter[],
  excluded: readonly JobFilter[] = [],
): Condition => {
  const whole = conditionOf(dialect, filters, excluded)
  const union = unionOf(dialect, filters, excluded)
  return union ? { ...whole, union } : whole
}

/** A few jobs by their ids are looked at one by one. */
const named = (filters: readonly JobFilter[]): boolean =>
  filters.some((filter: JobFilter | null) => filter?.id !== undefined || filter?.parentId !== undefined)
/** A group may have very many jobs: to look at one, they are not all read; to look through all jobs, they are read once. */
const havingOfOne: Statement['having'] = (rows, jobId, where) =>
  `EXISTS (SELECT 1 FROM ${rows} WHERE ${jobId} = j.id AND ${where})`
const havingOfAll: Statement['having'] = (rows, jobId, where) => `j.id IN (SELECT ${jobId} FROM ${rows} WHERE ${where})`

const conditionOf = (
  dialect: DialectName,
  filters: readonly JobFilter[],
  excluded: readonly JobFilter[],
): Condition => {
  const params: Value[] = []
  const having = named(filters) ? havingOfOne : havingOfAll
  const statement: Statement = { dialect: dialects[dialect], bind: (value) => `$${params.push(value)}`, having }
  const tests = [
    ...filters.map((filter) => conjunction(filter, statement)),
    ...excluded.map((filter) => not(conjunction(filter, statement))),
  ].filter((sql) => sql !== 'TRUE')
  if (params.length > MAX_VALUES) {
    throw new TelestoError('invalid', `The filters name more than ${MAX_VALUES} values.`, { field: 'filter' })
  }
  return { sql: all(tests), params }
}

/** So many sources are merged; of more, the list is looked through. */
const MAX_SOURCES = 50

/** What a viewer sees (their own jobs or those of their groups), or the jobs of groups: each source has its index. */
const unionOf = (
  dialect: DialectName,
  filters: readonly JobFilter[],
  excluded: readonly JobFilter[],
): Union | undefined => {
  if (named(filters)) return undefined
  for (const field of ['groups', 'or'] as const) {
    for (const [index, filter] of filters.entries()) {
      const sources = field in filter ? sourcesOf(field === 'or' ? filter.or : [{ groups: filter.groups }]) : undefined
      if (!sources || sources.users.length + sources.groups.length > MAX_SOURCES) continue
      const { [field]: _, ...others } = filter
      return { ...sources, rest: conditionOf(dialect, filters.with(index, others), excluded) }
    }
  }
  return undefined
}

/** The users and groups of alternatives that name nothing else. */
const sourcesOf = (alternatives: unknown): Pick<Union, 'users' | 'groups'> | undefined => {
  const users = new Set<string>()
  const groups = new Set<string>()
  for (const alternative of many(alternatives)) {
    const [only, another] = Object.entries(alternative as object)
    if (!only || another || (only[0] !== 'user' && only[0] !== 'groups')) return undefined
    for (const name of many(only[1])) {
      if (typeof name !== 'string') return undefined
      ;(only[0] === 'user' ? users : groups).add(name)
    }
  }
  return { users: [...users], groups: [...groups] }
}
