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

/** A page of a list with everything that its rows need: four statements whatever its size. */
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
  const { rest } = union
  const { ofJob, ofGroup } = ORDER_COLUMNS[page.order]
  const params: Value[] = [...rest.params]
  const bind = (value: Value): string => `$${params.push(value)}`
  const most = ` LIMIT ${page.offset + page.limit}`
  const sources = [
    ...union.users.map(
      (user) =>
        `SELECT j.id AS id, ${ofJob} AS key FROM telesto_jobs j
         WHERE j.user_id = ${bind(user)} AND j.deleted_at IS NULL AND ${rest.sql} ${by(page, ofJob, 'j.id')}${most}`,
    ),
    ...union.groups.map(
      (group) =>
        `SELECT g.job_id AS id, ${ofGroup} AS key FROM ${groupsWith(rest)}
         WHERE g.name = ${bind(group)} AND ${rest.sql} ${by(page, ofGroup, 'g.job_id')}${most}`,
    ),
  ]
  if (sources.length === 0) return undefined
  const all = sources.map((sql) => `SELECT * FROM (${sql}) AS source`).join(' UNION ')
  return { sql: `SELECT id FROM (${all}) AS sources ${by(page, 'key', 'id')}${part(page)}`, params }
}

/** Rows of a group go when their job is deleted, so that a condition alone needs the job itself. */
const groupsWith = (rest: Condition): string =>
  rest.sql === 'TRUE' ? 'telesto_groups g' : 'telesto_groups g JOIN telesto_jobs j ON j.id = g.job_id'

/** How many jobs match; counting stops at `cap`. */
export const countJobs = async (reader: Reader, where: Condition, cap = ENDLESS): Promise<number> => {
  const { union } = where
  if (!union)
    return await count(reader, `FROM telesto_jobs j WHERE j.deleted_at IS NULL AND ${where.sql}`, where.params, cap)
  let counted = 0
  for (const { from, params } of disjoint(union)) {
    if (counted >= cap) break
    counted += await count(reader, from, params, cap - counted)
  }
  return counted
}

const count = async (reader: Reader, from: string, params: readonly Value[], cap: number): Promise<number> => {
  const limit = cap === ENDLESS ? '' : ` LIMIT ${Math.trunc(cap)}`
  const [row] = await reader.all<{ n: number }>(
    `SELECT COUNT(*) AS n FROM (SELECT 1 ${from}${limit}) AS counted`,
    params,
  )
  return row?.n ?? 0
}

/** Each source of a union without what the sources before it have. */
const disjoint = ({
  users,
  groups,
  rest,
}: Union): readonly { readonly from: string; readonly params: readonly Value[] }[] => {
  const place = (index: number): string => `$${rest.params.length + index + 1}`
  const places = (count: number): string => Array.from({ length: count }, (_, index) => place(index)).join(', ')
  const own = `FROM telesto_jobs j WHERE j.user_id IN (${places(users.length)}) AND j.deleted_at IS NULL AND ${rest.sql}`
  const others = groups.map((group, index) => {
    const before = [...users, ...groups.slice(0, index)]
    const notTheirs = users.length === 0 ? '' : ` AND g.user_id NOT IN (${places(users.length)})`
    const elsewhere = before
      .slice(users.length)
      .map((_, earlier) => place(users.length + earlier))
      .join(', ')
    const notBefore =
      index === 0
        ? ''
        : ` AND NOT EXISTS (SELECT 1 FROM telesto_groups o WHERE o.job_id = g.job_id AND o.name IN (${elsewhere}))`
    const from = `FROM ${groupsWith(rest)} WHERE g.name = ${place(before.length)} AND ${rest.sql}${notTheirs}${notBefore}`
    return { from, params: [...rest.params, ...before, group] }
  })
  return users.length === 0 ? others : [{ from: own, params: [...rest.params, ...users] }, ...others]
}
