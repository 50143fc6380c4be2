import { z } from 'zod'
import { TelestoError } from '../errors.js'
import type { JobFilter } from '../filters.js'
import type { JobQuery, Order } from '../query.js'
import { ORDER_COLUMNS, type OrderField } from '../store/list.js'
import type { UserView } from '../user-view.js'
import { text, whole } from './params.js'

/** Counting stops here: "10,000+" tells as much, and costs the same whatever the size of the table. */
export const COUNT_CAP = 10_000
export const MAX_PAGE = 500
export const DEFAULT_PAGE = 50

const fields = Object.keys(ORDER_COLUMNS) as OrderField[]
const orders = fields.flatMap((field): Order[] => [field, `-${field}`]) as [Order, ...Order[]]

const oneOrMany = z
  .union([text.transform((one) => [one]), z.array(text)])
  .meta({ type: 'array', items: { type: 'string', pattern: '^[^\\u0000]*$' } })
const time = z
  .union([z.iso.datetime({ offset: true }), z.iso.date()], 'must be a time in ISO 8601: 2026-01-31T12:00:00Z')
  .transform((text) => new Date(text))
const words = text.max(1024)

/** The query parameters of a list of jobs, of the API and of the page alike. */
const shape = {
  search: words.optional().describe('A text within the name.'),
  nameContains: words.optional(),
  status: oneOrMany.optional().describe('Display name, code or custom text; repeated: one of these.'),
  jobType: oneOrMany.optional(),
  app: oneOrMany.optional(),
  user: oneOrMany.optional(),
  group: oneOrMany.optional(),
  scheduler: oneOrMany.optional(),
  parentId: whole(1, Number.MAX_SAFE_INTEGER).optional(),
  tag: z.record(z.string(), text).optional().describe('tag[name]=value, or tag.name=value; each must hold.'),
  creationTimeAfter: time.optional(),
  creationTimeBefore: time.optional(),
  executeTimeAfter: time.optional(),
  executeTimeBefore: time.optional(),
  startTimeAfter: time.optional(),
  startTimeBefore: time.optional(),
  completionTimeAfter: time.optional(),
  completionTimeBefore: time.optional(),
  sort: z
    .enum(orders, `must be one of ${fields.join(', ')}, with - before it for descending`)
    .optional()
    .describe('A field; with - before it, descending. Without it, the newest first.'),
  page: whole(1, 1_000_000_000).optional().describe('The first page is 1. Not with offset and limit.'),
  pageSize: whole(1, MAX_PAGE).optional(),
  offset: whole(0, 1_000_000_000_000).optional(),
  limit: whole(1, MAX_PAGE).optional(),
}
/** Refuses parameters that it does not know, naming the first. */
export const listParams = z.strictObject(shape)
/** The same for pages: a link may have gathered others on its way. An empty field of the form is none. */
export const looseListParams = z.preprocess(
  (query) => Object.fromEntries(Object.entries(query as object).filter(([, value]) => value !== '')),
  z.object(shape),
)
export type ListParams = z.output<typeof listParams>

/** Which part of which list is asked for. */
export interface List {
  /** The whole list, filtered and ordered. */
  readonly all: JobQuery
  readonly order: Order
  readonly offset: number
  readonly limit: number
}

/** Throws `invalid` where a page is asked for in both ways at once. */
export const listOf = (viewer: UserView, params: ListParams): List => {
  const pages = params.page !== undefined || params.pageSize !== undefined
  if (pages && (params.offset !== undefined || params.limit !== undefined)) {
    const field = params.offset === undefined ? 'limit' : 'offset'
    throw new TelestoError('invalid', 'Use page and pageSize, or offset and limit, not both.', { field })
  }
  const limit = params.pageSize ?? params.limit ?? DEFAULT_PAGE
  const offset = params.page === undefined ? (params.offset ?? 0) : (params.page - 1) * limit
  const order = params.sort ?? '-creationTime'
  return { all: filtered(viewer.query(), params).orderBy(order), order, offset, limit }
}

const filtered = (query: JobQuery, params: ListParams): JobQuery => {
  const { search, nameContains, group, tag, sort, page, pageSize, offset, limit, ...same } = params
  const filter: JobFilter = {
    ...(Object.fromEntries(Object.entries(same).filter(([, value]) => value !== undefined)) as JobFilter),
    ...(group === undefined ? {} : { groups: group }),
    ...(tag === undefined ? {} : { tags: tag }),
    ...(nameContains === undefined ? {} : { nameContains }),
  }
  return search === undefined ? query.filter(filter) : query.filter(filter).filter({ nameContains: search })
}

/** How many there are, counted up to the cap. */
export const countOf = async (list: List): Promise<{ readonly total: number; readonly totalCapped: boolean }> => {
  const counted = await list.all.count({ cap: COUNT_CAP + 1 })
  return { total: Math.min(counted, COUNT_CAP), totalCapped: counted > COUNT_CAP }
}
