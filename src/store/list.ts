import type { Condition, Union } from '../filters.js'
import type { Transaction, Value } from './database.js'
import { type JobRow, SELECT, type WholeJob, withBelongings } from './jobs.js'

/** The orders that a list offers, each with its index. A group keeps a copy of each column beside its jobs. */
export const ORDER_COLUMNS = {
  id: { ofJob: 'j.id', ofGroup: 'g.job_id' },
  name: { ofJob: 'j.name', ofGroup: 'g.job_name' },
  status: { ofJob: 'j.status_code', ofGroup: 'g.status_code' },
  creationTime: { ofJob: 'j.creation_time', ofGroup: 'g.creation_time' },
  executeTime: { ofJob: 'j.execute_time', ofGroup: 'g.execute_time' },
  startTime: { ofJob: 'j.start_time', ofGroup: 'g.start_time' },
  completionTime: { ofJob: 'j.completion_time', ofGroup: 'g.completion_time' },
} as const
export type OrderField = keyof typeof ORDER_COLUMNS

/** Which part of a list, and in which order. Ties are broken by id; what has no value comes before what has one. */
export interface Page {
  readonly order: OrderField
  readonly descending: boolean
  readonly offset: number
  /** null: to the end. */
  readonly limit: number | null
}

type Reader = Pick<Transaction, 'all'>

/** The whole list, from the first row to the last. */
const ENDLESS = Number.MAX_SAFE_INTEGER
/** So deep a page is still merged from its sources. */
const DEEPEST_MERGED = 10_000

const by = ({ order, descending }: Page, column: string, id: string): string => {
  // As SQLite has it anyway: no value is less than any.
  const direction = descending ? 'DESC NULLS LAST' : 'ASC NULLS FIRST'
  const ids = `${id} ${descending ? 'DESC' : 'ASC'}`
  return order === 'id' ? `ORDER BY ${ids}` : `ORDER BY ${column} ${direction}, ${ids}`
}
const part = ({ offset, limit }: Page): string =>
  limit === null && offset === 0 ? '' : ` LIMIT ${limit ?? ENDLESS} OFFSET ${offset}`

/** A page of a list with everything that its rows need: two statements for up to 10,000. */
export const findJobs = async (reader: Reader, where: Condition, page: Page): Promise<WholeJob[]> => {
  const { ofJob } = ORDER_COLUMNS[page.order]
  const merged = mergedIds(where.union, page)
  if (!merged) {
    const sql = `${SELECT} WHERE j.deleted_at IS NULL AND ${where.sql} ${by(page, ofJob, 'j.id')}${part(page)}`
    return await withBelongings(reader, await reader.all<JobRow>(sql, where.params))
  }
  const sql = `${SELECT} JOIN (${merged.sql}) AS listed ON listed.id = j.id ${by(page, ofJob, 'j.id')}`
  return await withBelongings(reader, await reader.all<JobRow>(sql, merged.params))
}

/** What tells whether a job has settled. */
export type JobStanding = Pick<JobRow, 'id' | 'statusCode' | 'statusClass'>

/** The standing of the jobs that match, in any order. */
export const findStandings = async (reader: Reader, where: Condition): Promise<JobStanding[]> =>
  await reader.all<JobStanding>(
    `SELECT j.id AS id, j.status_code AS "statusCode", j.status_class AS "statusClass" FROM telesto_jobs j
     WHERE j.deleted_at IS NULL AND ${where.sql}`,
    where.params,
  )

/** The ids alone. */
export const findJobIds = async (reader: Reader, where: Condition, page: Page): Promise<number[]> => {
  const { ofJob } = ORDER_COLUMNS[page.order]
  const sql = `SELECT j.id AS id FROM telesto_jobs j WHERE j.deleted_at IS NULL AND ${where.sql} ${by(page, ofJob, 'j.id')}${part(page)}`
  const { sql: text, params } = mergedIds(where.union, page) ?? { sql, params: where.params }
  return (await reader.all<{ id: number }>(text, params)).map((row) => row.id)
}

/**
 * A page of a union: of each source as many as the page may need, from the source's own index in the page's order, and of
 * those the page. So it costs the same whatever the size of the table.
 */
const mergedIds = (union: Union | undefined, page: Page): Condition | undefined => {
  if (!union || page.limit === null || page.offset + page.limit > DEEPEST_MERGED) return undefined
  const params: Value[] = [...union.rest.params]
  const most = ` LIMIT ${page.offset + page.limit}`
  const sources = sourcesOf(union).map(({ value, of, id, from }) => {
    const column = ORDER_COLUMNS[page.order][of]
    return `SELECT ${id} AS id, ${column} AS key ${from(`$${params.push(value)}`)} ${by(page, column, id)}${most}`
  })
  if (sources.length === 0) return undefined
  const all = sources.map((sql) => `SELECT * FROM (${sql}) AS source`).join(' UNION ')
  return { sql: `SELECT id FROM (${all}) AS sources ${by(page, 'key', 'id')}${part(page)}`, params }
}

/** Where the jobs of a union come from: those of one user, or of one group, whose name is bound at a place. */
const sourcesOf = ({ users, groups, rest }: Union) => [
  ...users.map((value) => ({
    value,
    of: 'ofJob' as const,
    id: 'j.id',
    from: (place: string) => `FROM telesto_jobs j WHERE j.user_id = ${place} AND j.deleted_at IS NULL AND ${rest.sql}`,
  })),
  ...groups.map((value) => ({
    value,
    of: 'ofGroup' as const,
    id: 'g.job_id',
    from: (place: string) => `FROM ${groupsWith(rest)} WHERE g.name = ${place} AND ${rest.sql}`,
  })),
]

/** Rows of a group go when their job is deleted, so that a condition alone needs the job itself. */
const groupsWith = (rest: Condition): string =>
  rest.sql === 'TRUE' ? 'telesto_groups g' : 'telesto_groups g JOIN telesto_jobs j ON j.id = g.job_id'

/** Users and groups of whom it is known that they have a number of jobs, and more perhaps: they need not be counted again. */
export interface Crowds {
  has(source: string): boolean
  add(source: string): void
}

/** How many jobs match; counting stops at `cap`. */
export const countJobs = async (
  reader: Reader,
  where: Condition,
  cap = ENDLESS,
  crowds: Crowds = new Set(),
): Promise<number> => {
  const limit = cap === ENDLESS ? '' : ` LIMIT ${Math.trunc(cap)}`
  const { union } = where
  if (!union) {
    return await count(
      reader,
      `SELECT 1 FROM telesto_jobs j WHERE j.deleted_at IS NULL AND ${where.sql}${limit}`,
      where.params,
    )
  }
  const sources = sourcesOf(union)
  if (sources.length === 0) return 0
  // Where one source alone has so many, it does not matter which of them another has too.
  if (union.rest.sql === 'TRUE' && limit !== '' && cap > 0) {
    const crowd = ({ of, value }: (typeof sources)[number]): string => `${cap} ${of} ${value}`
    if (sources.some((source) => crowds.has(crowd(source)))) return cap
    for (const source of sources) {
      const last = `SELECT 1 AS found ${source.from('$1')} LIMIT 1 OFFSET ${Math.trunc(cap) - 1}`
      if ((await reader.all(last, [source.value])).length === 0) continue
      crowds.add(crowd(source))
      return cap
    }
  }
  const params = [...union.rest.params]
  const ids = sources.map(({ value, id, from }) => `SELECT ${id} AS id ${from(`$${params.push(value)}`)}`)
  // In the order of ids, which each source's index has, they are merged and need not be sorted.
  return await count(reader, `${ids.join(' UNION ')} ORDER BY id${limit}`, params)
}

const count = async (reader: Reader, rows: string, params: readonly Value[]): Promise<number> =>
  Number((await reader.all<{ n: number }>(`SELECT COUNT(*) AS n FROM (${rows}) AS counted`, params))[0]?.n ?? 0)
