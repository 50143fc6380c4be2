import { createTelesto } from 'telesto'
import { local } from 'telesto/adapters/local'
import type { Bench, Benchmark } from './benchmark.ts'
import { type Measured, sideBySide, timed } from './measure.ts'
import type { Place, Raw, Row, Store } from './store.ts'

const goals = [
  {
    name: 'list',
    what: "a page of 50 of a viewer's own and groups' jobs among 10^6, with its total, by the slowest order, to raw SQL",
    goal: 2,
    is: 'at most',
    of: 'ms',
  },
  {
    name: 'list-growth',
    what: 'the same page, to itself among 10^3 jobs',
    goal: 1.5,
    is: 'at most',
    of: 'ms',
  },
] as const

const PAGE = 50
/** "10,000+" is told of more. */
const CAP = 10_001
const VIEWER = { id: 'user1', groups: ['team1', 'team2', 'team3'] }

/** Of each order its column in the table of jobs, and its copy in that of groups. */
const ORDERS = {
  id: ['id', 'job_id'],
  name: ['name', 'job_name'],
  status: ['status_code', 'status_code'],
  creationTime: ['creation_time', 'creation_time'],
  executeTime: ['execute_time', 'execute_time'],
  startTime: ['start_time', 'start_time'],
  completionTime: ['completion_time', 'completion_time'],
} as const
type Field = keyof typeof ORDERS
type Order = Field | `-${Field}`
const orders = (Object.keys(ORDERS) as Field[]).flatMap((field): Order[] => [field, `-${field}`])

const STATUSES = ['PEN', 'SUB', 'RUN', 'COM', 'COM', 'COM', 'ERR', 'ABT'] as const
/** Rows of one statement while a database is filled. */
const ROWS = 500
/** Rows of one transaction. */
const TOGETHER = 50_000
/** Between two jobs, in milliseconds. */
const APART = 1000

/**
 * Jobs of a thousand users (at least ten jobs each), with two groups of twenty and two tags, in all statuses. Filled with
 * SQL: createJob makes but new ones.
 */
const fill = async (raw: Raw, count: number): Promise<void> => {
  const users = Math.min(1000, Math.ceil(count / 10))
  const inserts = {
    jobs: raw.prepare(`INSERT INTO telesto_jobs (id, app, name, user_id, job_type, spec, needs_scheduler, status_code, status_changed_at,
      creation_time, execute_time, start_time, completion_time) VALUES ${places(ROWS, 13)}`),
    groups:
      raw.prepare(`INSERT INTO telesto_groups (job_id, name, user_id, job_name, status_code, creation_time, execute_time,
      start_time, completion_time) VALUES ${places(2 * ROWS, 9)}`),
    tags: raw.prepare(`INSERT INTO telesto_tags (job_id, name, value) VALUES ${places(2 * ROWS, 3)}`),
  }
  const [begin, commit] = [raw.prepare('BEGIN'), raw.prepare('COMMIT')]
  const start = Date.now() - count * APART
  const job = (id: number) => {
    const status = STATUSES[(id * 7919) % STATUSES.length] as string
    const created = start + id * APART
    const executed = status === 'PEN' ? null : created + (id % 97) * 10
    const started = executed === null || status === 'SUB' ? null : executed + (id % 89) * 1000
    const completed = started === null || status === 'RUN' ? null : started + ((id * 31) % 3571) * 1000
    const times = [created, executed, started, completed]
    return { id, name: `run ${(id * 2654435761) % 1_000_003}`, user: `user${id % users}`, status, created, times }
  }
  for (let first = 1; first <= count; first += ROWS) {
    const jobs = Array.from({ length: ROWS }, (_, index) => job(first + index))
    if ((first - 1) % TOGETHER === 0) await begin()
    await inserts.jobs(
      ...jobs.flatMap(({ id, name, user, status, created, times }) => [
        ...[id, 'bench', name, user, 'BASIC', '{"command":["./model.sh","--basin","nile"]}', 1, status, created],
        ...times,
      ]),
    )
    await inserts.groups(
      ...jobs.flatMap(({ id, name, user, status, times }) =>
        [id % 20, (id * 7 + 1) % 20]
          .map((team, place) => (place === 1 && team === id % 20 ? 'all' : `team${team}`))
          .flatMap((group) => [id, group, user, name, status, ...times]),
      ),
    )
    await inserts.tags(...jobs.flatMap(({ id }) => [id, 'basin', 'nile', id, 'scenario', `s${id % 10}`]))
    if ((first - 1 + ROWS) % TOGETHER === 0 || first + ROWS > count) await commit()
  }
}

const places = (rows: number, columns: number): string => {
  let place = 0
  return Array.from(
    { length: rows },
    () => `(${Array.from({ length: columns }, () => `$${++place}`).join(', ')})`,
  ).join()
}

/** What the table of jobs shows. */
const SHOWN = `j.id, j.app, j.name, j.description, j.user_id, j.job_type, j.status_code, j.custom_status, j.status_message, j.progress,
  j.native_state, j.cause, j.reason, j.exit_code, j.creation_time, j.execute_time, j.start_time, j.completion_time, j.last_status_update,
  j.extended_properties, a.number, a.order_name, a.order_error, a.live`

/** The page as an engineer writes it for these indexes: what each source has first, then what all have first. */
const rawPage = (raw: Raw, order: Order): (() => Promise<number>) => {
  const descending = order.startsWith('-')
  const [ofJob, ofGroup] = ORDERS[order.replace('-', '') as Field]
  // SQLite's own place of NULL, which its indexes have.
  const direction = descending ? 'DESC NULLS LAST' : 'ASC NULLS FIRST'
  const by = (key: string, id: string) => `ORDER BY ${key} ${direction}, ${id} ${descending ? 'DESC' : 'ASC'}`
  const keys = (key: string, id: string) => (key === id ? `ORDER BY ${id} ${descending ? 'DESC' : 'ASC'}` : by(key, id))
  const own = `SELECT * FROM (SELECT id, ${ofJob} AS key FROM telesto_jobs WHERE user_id = $1 AND deleted_at IS NULL
    ${keys(ofJob, 'id')} LIMIT ${PAGE}) AS own`
  const ofGroups = VIEWER.groups.map(
    (_, index) => `SELECT * FROM (SELECT job_id AS id, ${ofGroup} AS key FROM telesto_groups WHERE name = $${index + 2}
      ${keys(ofGroup, 'job_id')} LIMIT ${PAGE}) AS group${index}`,
  )
  const page = raw.prepare(`SELECT ${SHOWN} FROM (
      SELECT id, key FROM (${[own, ...ofGroups].join(' UNION ')}) AS sources ${by('key', 'id')} LIMIT ${PAGE}
    ) AS page JOIN telesto_jobs j ON j.id = page.id LEFT JOIN telesto_attempts a ON a.id = j.attempt_id ${by('page.key', 'page.id')}`)
  const marks = Array.from({ length: PAGE }, (_, index) => `$${index + 1}`).join(', ')
  const groups = raw.prepare(`SELECT job_id, name FROM telesto_groups WHERE job_id IN (${marks})`)
  const tags = raw.prepare(`SELECT job_id, name, value FROM telesto_tags WHERE job_id IN (${marks})`)
  const sources = [
    'SELECT id FROM telesto_jobs WHERE user_id = $1 AND deleted_at IS NULL',
    ...VIEWER.groups.map((_, index) => `SELECT job_id AS id FROM telesto_groups WHERE name = $${index + 2}`),
  ]
  // In the order of ids, which each source's index has, they are merged and need not be sorted.
  const total = raw.prepare(
    `SELECT COUNT(*) AS total FROM (${sources.join(' UNION ')} ORDER BY id LIMIT ${CAP}) AS counted`,
  )
  const beyond = sources.map((sql) => raw.prepare(`${sql.replace(/\$\d/, '$1')} LIMIT 1 OFFSET ${CAP - 1}`))
  const viewer = [VIEWER.id, ...VIEWER.groups]
  /** Where one source alone has so many, nothing need be told apart. */
  const count = async (): Promise<number> => {
    for (const [index, statement] of beyond.entries()) {
      if ((await statement(viewer[index] as string)).length > 0) return CAP
    }
    return Number((await total(...viewer))[0]?.total)
  }
  return async () => {
    const rows = await page(...viewer)
    const ids = Array.from({ length: PAGE }, (_, index) => Number(rows[index]?.id ?? -1))
    const belongings = [...(await groups(...ids)), ...(await tags(...ids))]
    const byId = new Map<unknown, Row[]>(rows.map(({ id }) => [id, []]))
    for (const row of belongings) byId.get(row.job_id)?.push(row)
    return await count()
  }
}

interface Filled {
  readonly place: Place
  readonly page: (order: Order) => Promise<{ readonly ids: readonly number[]; readonly total: number }>
  readonly raw: Raw
  close(): Promise<void>
}

const filled = async (store: Store, count: number, note: (text: string) => void): Promise<Filled> => {
  const place = await store.place()
  const filler = await store.filler(place.options)
  const ms = await timed(async () => await fill(filler, count)).finally(filler.close)
  const raw = await store.connect(place.options)
  note(`${count} jobs, filled in ${Math.round(ms / 1000)} s`)
  const telesto = await createTelesto({ adapters: [local], ...place.options, runLoops: false })
  const jobs = telesto.as(VIEWER).query()
  return {
    place,
    raw,
    async page(order) {
      const ordered = jobs.orderBy(order)
      const page = await ordered.slice(0, PAGE)
      return { ids: page.map((job) => job.id), total: await ordered.count({ cap: CAP }) }
    },
    async close() {
      await telesto.close()
      await raw.close()
      await place.remove()
    },
  }
}

/** A single page is too short to be timed alone. */
const AT_ONCE = 5

const repeated = (work: () => Promise<unknown>) => async (): Promise<number> =>
  (await timed(async () => {
    for (let n = 0; n < AT_ONCE; n++) await work()
  })) / AT_ONCE

const slowest = (measured: readonly Measured[]): Measured => measured.reduce((a, b) => (b.ratio > a.ratio ? b : a))

const run = async ({ store, size, note }: Bench) => {
  const many = await filled(store, size(1_000_000, 120_000), note)
  const few = await filled(store, 1000, note)
  try {
    const turns = { warmUp: 3, fewest: size(15, 5), most: size(60, 10) }
    const toRaw: Measured[] = []
    const toFew: Measured[] = []
    for (const order of orders) {
      const ours = repeated(async () => await many.page(order))
      const other = repeated(rawPage(many.raw, order))
      const raw = await sideBySide(ours, other, turns)
      const own = await sideBySide(
        ours,
        repeated(async () => await few.page(order)),
        turns,
      )
      note(`${order}: ${raw.ratio.toFixed(2)} x raw SQL, ${own.ratio.toFixed(2)} x among 1,000 jobs`)
      toRaw.push(raw)
      toFew.push(own)
    }
    return { list: slowest(toRaw), 'list-growth': slowest(toFew) }
  } finally {
    await many.close()
    await few.close()
  }
}

export const list: Benchmark = { name: 'list', goals, run }
