import { createTelesto } from 'telesto'
import { local } from 'telesto/adapters/local'
import type { Bench, Benchmark } from './benchmark.ts'
import { type Measured, sideBySide, timed } from './measure.ts'
import type { Place, Raw, Statement, Store, Value } from './store.ts'

const goals = [
  {
    name: 'bulk-create',
    what: '`bulkCreate` of 100,000 jobs with groups and tags, to multi-row INSERTs of the same rows',
    goal: 2,
    is: 'at most',
    of: 'ms',
  },
  { name: 'create-job', what: 'one `createJob`, to one INSERT', goal: 3, is: 'at most', of: 'ms' },
] as const

interface Wanted {
  readonly name: string
  readonly user: string
  readonly jobType: 'BASIC'
  readonly description: string
  readonly command: readonly [string, ...string[]]
  readonly groups: readonly string[]
  readonly tags: Readonly<Record<string, string>>
}

const wanted = (index: number): Wanted => ({
  name: `run ${index}`,
  user: `user${index % 50}`,
  jobType: 'BASIC',
  description: 'The yearly flow of the river',
  command: ['./model.sh', '--basin', 'nile', '--year', String(1871 + (index % 100))],
  groups: ['hydrology', `team${index % 7}`],
  tags: { basin: 'nile', scenario: `s${index % 10}` },
})

const COLUMNS = {
  telesto_jobs: ['app', 'name', 'description', 'user_id', 'job_type', 'spec', 'needs_scheduler', 'status_changed_at'],
  telesto_groups: ['job_id', 'name', 'user_id', 'job_name', 'status_code', 'creation_time'],
  telesto_tags: ['job_id', 'name', 'value'],
  telesto_events: ['kind', 'at', 'app', 'job_id', 'data'],
} as const
type Table = keyof typeof COLUMNS
const columnsOf = (table: Table): readonly string[] =>
  table === 'telesto_jobs' ? [...COLUMNS[table], 'creation_time'] : COLUMNS[table]

const jobValues = (job: Wanted, now: number): readonly Value[] => [
  'bench',
  job.name,
  job.description,
  job.user,
  'BASIC',
  JSON.stringify({ command: job.command }),
  1,
  now,
  now,
]

const insertSql = (table: Table, rows: number): string => {
  const columns = columnsOf(table)
  let place = 0
  const one = () => `(${columns.map(() => `$${++place}`).join(', ')})`
  return `INSERT INTO ${table} (${columns.join(', ')}) VALUES ${Array.from({ length: rows }, one).join(', ')}`
}

/** Rows in one statement: more of them are no faster on either database. */
const ROWS = 500

/** The same rows, their history's first entry among them, by prepared multi-row INSERTs in one transaction. */
const rawBulk = (raw: Raw, store: Store) => {
  const statements = new Map<string, Statement>()
  const insert = async (table: Table, rows: readonly (readonly Value[])[], returning = ''): Promise<number[]> => {
    const size = Math.min(ROWS, Math.floor(store.maxValues / columnsOf(table).length))
    const ids: number[] = []
    for (let start = 0; start < rows.length; start += size) {
      const chunk = rows.slice(start, start + size)
      const sql = `${insertSql(table, chunk.length)}${returning}`
      const statement = statements.get(sql) ?? raw.prepare(sql)
      statements.set(sql, statement)
      for (const { id } of await statement(...chunk.flat())) ids.push(Number(id))
    }
    return ids
  }
  const [begin, commit] = [raw.prepare('BEGIN'), raw.prepare('COMMIT')]
  return async (jobs: readonly Wanted[]): Promise<void> => {
    const now = Date.now()
    await begin()
    const ids = await insert(
      'telesto_jobs',
      jobs.map((job) => jobValues(job, now)),
      ' RETURNING id',
    )
    const numbered = jobs.map((job, index) => ({ job, id: ids[index] as number }))
    await insert(
      'telesto_groups',
      numbered.flatMap(({ job, id }) => job.groups.map((group) => [id, group, job.user, job.name, 'PEN', now])),
    )
    await insert(
      'telesto_tags',
      numbered.flatMap(({ job, id }) => Object.entries(job.tags).map(([name, value]) => [id, name, value])),
    )
    await insert(
      'telesto_events',
      numbered.map(({ id }) => ['created', now, 'bench', id, '{}']),
    )
    await commit()
  }
}

const withTelesto = async <T>(place: Place, work: (app: ReturnType<typeof open>) => Promise<T>): Promise<T> => {
  const telesto = await createTelesto({ adapters: [local], ...place.options, runLoops: false })
  try {
    return await work(open(telesto))
  } finally {
    await telesto.close()
  }
}
const open = (telesto: Awaited<ReturnType<typeof createTelesto<readonly [typeof local]>>>) => telesto.app('bench')

const inFreshPlace = async <T>(store: Store, work: (place: Place) => Promise<T>): Promise<T> => {
  const place = await store.place()
  try {
    return await work(place)
  } finally {
    await place.remove()
  }
}

const bulkCreate = async ({ store, size }: Bench): Promise<Measured> => {
  const jobs = Array.from({ length: size(100_000, 2000) }, (_, index) => wanted(index))
  const ours = async () =>
    await inFreshPlace(store, async (place) =>
      withTelesto(place, async (app) => await timed(async () => await app.bulkCreate(jobs))),
    )
  const other = async () =>
    await inFreshPlace(store, async (place) => {
      const raw = await store.connect(place.options)
      const insert = rawBulk(raw, store)
      return await timed(async () => await insert(jobs)).finally(raw.close)
    })
  return await sideBySide(ours, other, { warmUp: 1, fewest: 3, most: 9 })
}

const createJob = async ({ store, size }: Bench): Promise<Measured> =>
  await inFreshPlace(store, async (place) =>
    withTelesto(place, async (app) => {
      const raw = await store.connect(place.options)
      const insert = raw.prepare(insertSql('telesto_jobs', 1))
      const AT_ONCE = 10
      let made = 0
      const { groups: _groups, tags: _tags, ...plain } = wanted(0)
      const ours = () =>
        timed(async () => {
          for (let n = 0; n < AT_ONCE; n++) await app.createJob({ ...plain, name: `run ${made++}` })
        })
      const other = () =>
        timed(async () => {
          for (let n = 0; n < AT_ONCE; n++)
            await insert(...jobValues({ ...wanted(0), name: `run ${made++}` }, Date.now()))
        })
      const each = await sideBySide(ours, other, { warmUp: size(50, 3), fewest: size(20, 5), most: size(200, 20) })
      await raw.close()
      return { ...each, ours: each.ours / AT_ONCE, other: (each.other ?? 0) / AT_ONCE }
    }),
  )

export const create: Benchmark = {
  name: 'create',
  goals,
  run: async (bench) => ({ 'bulk-create': await bulkCreate(bench), 'create-job': await createJob(bench) }),
}
