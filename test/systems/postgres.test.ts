import { execFile } from 'node:child_process'
import { cp, mkdir, readdir, symlink } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { inspect, promisify } from 'node:util'
import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { migrations } from '../../migrations/index.js'
import { systemClock } from '../../src/clock.js'
import { createTelesto } from '../../src/index.js'
import { ORDER_COLUMNS } from '../../src/store/list.js'
import { migrateDatabase, openDatabase } from '../../src/store/open.js'
import { postgresAddress } from '../../src/store/postgres-connection.js'
import { createProgress } from '../../src/store/progress.js'
import { look, placeOf, telestoIn } from '../database.js'
import { expectRefusal, refusal, scripted } from '../fixture.js'
import { counters, labels } from '../store/children/schema.js'
import { freshDirectory, openFor, quiet } from '../store/support.js'

const BASIC = { name: 'a job', user: 'ada', jobType: 'SCRIPTED' } as const
const program = path.resolve('dist/src/cli/telesto.js')

/** A schema of its own, and its URL. */
const fresh = async () => {
  const directory = await freshDirectory()
  const place = await placeOf(directory)
  if (!('url' in place)) throw new Error('These tests want TELESTO_TEST_DATABASE.')
  return {
    directory,
    url: place.url,
    open: () => openFor(path.join(directory, 'x'), { migrations: [counters, labels] }),
  }
}
/** A connection that nobody made for Telesto. */
const stranger = async (url: string): Promise<pg.Client> => {
  const client = new pg.Client(url)
  await client.connect()
  onTestFinished(() => client.end())
  return client
}
const migrated = async () => {
  const { directory, url } = await fresh()
  const telesto = await createTelesto({ adapters: [scripted()], ...(await telestoIn(directory)), runLoops: false })
  onTestFinished(() => telesto.close())
  const pool = await telesto.createScheduler({ name: 'pool', adapter: 'scripted' })
  return { directory, url, telesto, pool, app: telesto.app('flood') }
}

test('a database that was not migrated is refused with the command, and made only when it was told', async () => {
  const { directory, url } = await fresh()
  const open = (migrate?: boolean) =>
    createTelesto({
      adapters: [scripted()],
      directory,
      database: url,
      runLoops: false,
      ...(migrate === undefined ? {} : { migrate }),
    })
  for (const migrate of [undefined, false]) {
    const error = await refusal(() => open(migrate))
    expect(error).toMatchObject({ code: 'database_too_old', field: 'database' })
    expect(error.message).toMatch(/lacks the migration "0001-jobs"\. Run, with .* in DATABASE_URL: telesto migrate$/)
  }
  expect(await look(directory, 'SELECT tablename FROM pg_tables WHERE schemaname = current_schema()')).toEqual([])
  await (await open(true)).close()
  await (await open()).close()
  const older = await refusal(() => openDatabase({ url, migrations: [], clock: systemClock, log: quiet }))
  expect(older.code).toBe('database_too_new')
})

test('telesto migrate: up, up to date, down; by --database and by DATABASE_URL', async () => {
  const { url, directory } = await fresh()
  const telesto = async (args: readonly string[], env: Record<string, string> = {}) =>
    await promisify(execFile)(process.execPath, [program, ...args], { cwd: directory, env: { ...process.env, ...env } })
  const { name } = postgresAddress(url)
  const names = migrations.map((one) => one.name)
  expect((await telesto(['migrate', '--database', url])).stdout).toBe(`${name}: applied ${names.join(', ')}.\n`)
  expect((await telesto(['migrate'], { DATABASE_URL: url })).stdout).toBe(`${name} is up to date.\n`)
  expect((await telesto(['migrate', '--down', names[0] ?? ''], { DATABASE_URL: url })).stdout).toBe(
    `${name}: undone ${names.toReversed().join(', ')}.\n`,
  )
  expect((await telesto(['migrate', '--down'], { DATABASE_URL: url })).stdout).toBe(
    `${name} has no migration to undo.\n`,
  )
  expect(await look(directory, 'SELECT tablename AS t FROM pg_tables WHERE schemaname = current_schema()')).toEqual([
    { t: 'telesto_migrations' },
  ])
  expect(await readdir(directory)).toEqual([])
})

test('a migration that fails half-way leaves the database as it was', async () => {
  const { url, directory } = await fresh()
  const half = {
    name: '0003-half',
    up: async ({ run }: { run(sql: string): Promise<void> }) => {
      await run('UPDATE counters SET n = 99')
      await run('CREATE TABLE counters (b BIGINT)')
    },
    down: async () => {},
  }
  await migrateDatabase({ url, log: quiet, migrations: [counters] })
  const error = await refusal(() => migrateDatabase({ url, log: quiet, migrations: [counters, labels, half] }))
  expect(error).toMatchObject({ code: 'database_unusable', field: 'database' })
  expect(error.message).toMatch(/could not be migrated and is as it was.*"counters" already exists/)
  expect(await look(directory, 'SELECT n FROM counters')).toEqual([{ n: 0 }])
  expect(await look(directory, 'SELECT name FROM telesto_migrations')).toEqual([{ name: '0001-counters' }])
})

test('several that migrate at once wait for each other', async () => {
  const { directory } = await fresh()
  const databases = await Promise.all([1, 2, 3].map(() => openFor(path.join(directory, 'x'))))
  for (const database of databases) expect(await database.all('SELECT id FROM telesto_jobs')).toEqual([])
})

test('a bad URL is refused by name, and no error shows the password', async () => {
  const { url, directory } = await fresh()
  const secret = new URL(url).password
  const open = async (database: string) =>
    await createTelesto({ adapters: [scripted()], directory, database, runLoops: false })
  for (const bad of [
    '',
    'x',
    'mysql://u:hush@h/d',
    'postgres://u:hush%@h/d',
    'postgres://u:hush@h:port/d',
    '/var/run hush',
  ]) {
    const error = await expectRefusal(() => open(bad), 'invalid', 'database')
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('hush')
  }
  const changed = (change: (to: URL) => void): string => {
    const to = new URL(url)
    change(to)
    return to.href
  }
  const unusable: readonly (readonly [string, RegExp])[] = [
    [changed((to) => Object.assign(to, { password: 'hush' })), /password authentication failed/],
    [changed((to) => Object.assign(to, { port: '1' })), /ECONNREFUSED/],
    [changed((to) => Object.assign(to, { pathname: '/nowhere' })), /"nowhere" does not exist/],
    [changed((to) => Object.assign(to, { hostname: 'nowhere.invalid' })), /nowhere\.invalid/],
  ]
  for (const [database, reason] of unusable) {
    const error = await expectRefusal(() => open(database), 'database_unusable', 'database')
    expect(error.message).toMatch(reason)
    const whole = inspect(error, { depth: 9, showHidden: true })
    for (const hidden of [secret, 'hush', 'search_path']) expect(whole).not.toContain(hidden)
  }
})

test('a socket stands in the URL as ?host=', () => {
  expect(postgresAddress('postgres://u:hush@/portal?host=/run/postgresql').name).toBe(
    'postgres://u@/run/postgresql/portal',
  )
  expect(postgresAddress('postgresql://u:p%40ss@[::1]:5433/portal').name).toBe('postgres://u@[::1]:5433/portal')
})

test('without the package pg the refusal says what to install', async () => {
  const directory = await freshDirectory()
  await cp(path.resolve('dist'), path.join(directory, 'telesto/dist'), { recursive: true })
  await cp(path.resolve('package.json'), path.join(directory, 'telesto/package.json'))
  const modules = path.join(directory, 'telesto/node_modules')
  await mkdir(modules)
  const packages = (await readdir(path.resolve('node_modules'))).filter((one) => !one.startsWith('.') && one !== 'pg')
  for (const one of packages) await symlink(path.resolve('node_modules', one), path.join(modules, one))
  const args = [
    path.join(directory, 'telesto/dist/src/cli/telesto.js'),
    'migrate',
    '--database',
    'postgres://u:hush@h/d',
  ]
  const failed = await promisify(execFile)(process.execPath, args).catch((error: unknown) => error)
  expect(failed).toMatchObject({ code: 1, stderr: expect.stringContaining('Run: npm install pg') })
})

test('a writer of another process is waited for, and reported when it takes too long', async () => {
  const { url, directory, open } = await fresh()
  const database = await open()
  const short = await openFor(path.join(directory, 'x'), { migrations: [counters, labels], patience: 100 })
  const other = await openDatabase({ url, migrations: [counters, labels], clock: systemClock, log: quiet })
  onTestFinished(() => other.close())
  const [held, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  onTestFinished(() => gate.resolve())
  const holding = other.write(async (tx) => {
    await tx.run('UPDATE counters SET n = n + 1')
    held.resolve()
    await gate.promise
  })
  await held.promise
  const error = await refusal(() => short.write((tx) => tx.run('UPDATE counters SET n = 100')))
  expect(error).toMatchObject({ code: 'database_locked', field: 'database' })
  expect(error.message).toContain('0.1 s')
  const waiting = database.write((tx) => tx.run('UPDATE counters SET n = n * 10'))
  await delay(50)
  gate.resolve()
  expect(await Promise.all([holding, waiting])).toEqual([undefined, 1])
  expect(await database.all('SELECT n FROM counters')).toEqual([{ n: 10 }])
  expect(await short.write((tx) => tx.run('UPDATE counters SET n = 5'))).toBe(1)
})

test('progress is stored while others write, and waits neither for them nor for a job that they are changing', async () => {
  const { directory, url, app, pool } = await migrated()
  const jobs = await app.bulkCreate([1, 2, 3].map(() => ({ ...BASIC, scheduler: pool })))
  for (const job of jobs) await job.execute()
  const place = { url, clock: systemClock, log: quiet }
  const [writer, teller] = [await openDatabase(place), await openDatabase(place)]
  for (const one of [writer, teller]) onTestFinished(() => one.close())
  const progress = createProgress(teller)
  const tell = async (id: number) => {
    const [row] = await teller.all<{ token: string }>('SELECT token FROM telesto_attempts WHERE job_id = $1', [id])
    return await progress({ id, token: row?.token ?? '', news: { progress: 0.5 } })
  }
  const ids = jobs.map(({ id }) => id)
  const [held, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  onTestFinished(() => gate.resolve())
  const writing = writer.write(async (tx) => {
    await tx.run('UPDATE telesto_jobs SET description = $1 WHERE id = $2', ['mine', ids[1] ?? 0])
    held.resolve()
    await gate.promise
  })
  await held.promise
  // The lock of all writers is held, and a row of the second job; all the same they are answered.
  expect(await Promise.all(ids.map(tell))).toEqual([true, false, true])
  gate.resolve()
  await writing
  expect(await tell(ids[1] ?? 0)).toBe(true)
  expect(await look(directory, 'SELECT progress, description FROM telesto_jobs ORDER BY id')).toEqual([
    { progress: 0.5, description: '' },
    { progress: 0.5, description: 'mine' },
    { progress: 0.5, description: '' },
  ])
  // Of the two that were told together either may be written first.
  const told = await look(directory, "SELECT job_id AS job FROM telesto_events WHERE kind = 'progress' ORDER BY id")
  expect(told.slice(0, 2)).toEqual(expect.arrayContaining([{ job: ids[0] }, { job: ids[2] }]))
  expect(told.slice(2)).toEqual([{ job: ids[1] }])
})

test('a connection that is lost in a transaction: nothing is committed, and the next write and read work', async () => {
  const { url, directory } = await fresh()
  // By their name its connections are told from those of other tests, which run beside it.
  const own = new URL(url)
  own.searchParams.set('application_name', path.basename(directory))
  const options = { url: own.href, migrations: [counters, labels], migrate: true, clock: systemClock, log: quiet }
  const database = await openDatabase(options)
  onTestFinished(() => database.close())
  const client = await stranger(url)
  const lost = database.write(async (tx) => {
    await tx.run('UPDATE counters SET n = 7')
    const [own] = await tx.all<{ pid: number }>('SELECT pg_backend_pid() AS pid')
    await client.query('SELECT pg_terminate_backend($1)', [own?.pid])
    await tx.run('UPDATE counters SET n = 8').catch(() => {})
    await tx.run('UPDATE counters SET n = 9').catch(() => {})
  })
  expect(await refusal(() => lost)).toMatchObject({ code: 'database_unusable', field: 'database' })
  expect(await database.all('SELECT n FROM counters')).toEqual([{ n: 0 }])
  expect(await database.write((tx) => tx.run('UPDATE counters SET n = 1'))).toBe(1)
  // All idle connections at once, also Sequelize's: no error goes astray, and each is made anew.
  await database.sequelize.query('SELECT 1')
  const ended = await client.query(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1 AND state = 'idle'",
    [path.basename(directory)],
  )
  expect(ended.rowCount).toBeGreaterThan(1)
  await delay(50)
  expect(await database.all('SELECT n FROM counters')).toEqual([{ n: 1 }])
  expect(await database.write((tx) => tx.run('UPDATE counters SET n = 2'))).toBe(1)
  expect(await database.sequelize.query('SELECT 1 AS one')).toMatchObject([[{ one: 1 }], {}])
})

test('a statement that fails undoes its work, also where the work swallows it, and no other', async () => {
  const { open } = await fresh()
  const database = await open()
  const swallows = (note: string) =>
    database.write(async (tx) => {
      await tx.run('INSERT INTO counters (n, note) VALUES (1, $1)', [note])
      await tx.run('INSERT INTO counters (n, note) VALUES (2, $1)', [note]).catch(() => {})
    })
  const writes = (note: string) =>
    database.write((tx) => tx.run('INSERT INTO counters (n, note) VALUES (3, $1)', [note]))
  const works = [writes('a'), swallows('b'), writes('c'), swallows('d'), writes('e')]
  const settled = await Promise.allSettled(works)
  expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'rejected', 'fulfilled'])
  expect(settled[1]).toMatchObject({ reason: { code: '23505' } })
  await expect(swallows('f')).rejects.toMatchObject({ code: '23505' })
  expect(await database.all('SELECT note FROM counters WHERE note IS NOT NULL ORDER BY note')).toEqual(
    ['a', 'c', 'e'].map((note) => ({ note })),
  )
})

test('what reads only cannot write, by whatever way', async () => {
  const { open } = await fresh()
  const database = await open()
  await expect(database.all('UPDATE counters SET n = 1 RETURNING n')).rejects.toThrow(/only reads/)
  const bySequelize = await refusal(() => database.sequelize.query('UPDATE counters SET n = 1'))
  expect(bySequelize.code).toBe('database_read_only')
})

test('numbers are numbers, also long ones; what a number cannot hold is an error and not another number', async () => {
  const { open, directory } = await fresh()
  const database = await open()
  await database.write((tx) => tx.run('UPDATE counters SET n = $1', [Number.MAX_SAFE_INTEGER]))
  const sql =
    'SELECT n, COUNT(*) AS count, SUM(id) AS sum, 1.5 AS part, n > 1 AS more, 1e300::float8 AS real FROM counters GROUP BY n'
  const row = { n: Number.MAX_SAFE_INTEGER, count: 1, sum: 1, part: 1.5, more: 1, real: 1e300 }
  expect(await database.all(sql)).toEqual([row])
  await look(directory, `UPDATE counters SET n = 9007199254740993`)
  await expect(database.all('SELECT n FROM counters')).rejects.toThrow(
    /9007199254740993, which is more than a number can hold/,
  )
  expect(await database.all('SELECT 1 AS one')).toEqual([{ one: 1 }])
  // The package's own parsers are as they were.
  expect(pg.types.getTypeParser(20)('1')).toBe('1')
})

test('every order that a list offers has its index', async () => {
  const { url } = await migrated()
  const client = await stranger(url)
  // So many that it is worth while to look them up.
  await client.query(`INSERT INTO telesto_jobs (app, user_id, name, job_type, spec, needs_scheduler, status_changed_at, creation_time)
    SELECT 'app ' || n % 1000, 'user ' || n % 1000, 'job ' || n, 'BASIC', '{}', 0, n, n FROM generate_series(1, 20000) AS n`)
  await client.query(`INSERT INTO telesto_groups (job_id, name, user_id, job_name, status_code, creation_time)
    SELECT id, 'group ' || id % 1000, user_id, name, status_code, creation_time FROM telesto_jobs`)
  await client.query('ANALYZE telesto_jobs')
  await client.query(
    'SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off; SET enable_incremental_sort = off',
  )
  const plan = async (sql: string): Promise<string> =>
    (await client.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${sql}`)).rows.map((row) => row['QUERY PLAN']).join('\n')
  await client.query('ANALYZE telesto_groups')
  const jobs = 'j.id FROM telesto_jobs j WHERE j.deleted_at IS NULL AND'
  for (const { ofJob, ofGroup } of Object.values(ORDER_COLUMNS)) {
    const name = ofJob.slice(2)
    const lists = [
      [`${jobs} TRUE`, ofJob, 'j.id', name === 'id' ? 'telesto_jobs_pkey' : `telesto_jobs_${name}`],
      [`${jobs} j.app = 'app 1'`, ofJob, 'j.id', `telesto_jobs_app_${name}`],
      [`${jobs} j.user_id = 'user 1'`, ofJob, 'j.id', `telesto_jobs_user_${name}`],
      [`g.job_id FROM telesto_groups g WHERE g.name = 'group 1'`, ofGroup, 'g.job_id', `telesto_groups_${name}`],
    ] as const
    for (const [list, column, id, index] of lists) {
      for (const way of ['ASC NULLS FIRST', 'DESC NULLS LAST']) {
        const ids = `${id} ${way.split(' ')[0]}`
        const found = await plan(`SELECT ${list} ORDER BY ${column === id ? ids : `${column} ${way}, ${ids}`} LIMIT 50`)
        expect(found).toContain(`using ${index} `)
        expect(found).not.toContain('Sort')
      }
    }
  }
})

test('a NUL is refused by name wherever a person may send one', async () => {
  const { app, telesto, pool } = await migrated()
  const scheduler = pool
  for (const [field, value] of Object.entries({
    name: 'a\0',
    description: 'a\0',
    groups: ['a\0'],
    tags: { a: 'a\0' },
    extendedProperties: { a: 'a\0' },
  })) {
    const error = await refusal(() => app.createJob({ ...BASIC, scheduler, [field]: value }))
    expect(error).toMatchObject({ code: 'invalid', field: expect.stringContaining(field) })
  }
  await expectRefusal(() => app.query().filter({ name: 'a\0' }), 'invalid', 'name')
  await expectRefusal(() => app.query().filter({ tags: { 'a\0': 'x' } }), 'invalid', 'tags')
  expect((await refusal(() => telesto.getScheduler('a\0'))).code).toBe('invalid')
  const job = await app.createJob({ ...BASIC, scheduler, extendedProperties: { a: 'a\\u0000' } })
  expect(
    await app
      .query()
      .filter({ extendedProperties: { a: 'a\\u0000' } })
      .count(),
  ).toBe(1)
  expect(job.extendedProperties).toEqual({ a: 'a\\u0000' })
})
