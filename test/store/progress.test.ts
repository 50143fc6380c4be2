import path from 'node:path'
import { expect, test } from 'vitest'
import type { Database } from '../../src/store/database.js'
import { createProgress } from '../../src/store/progress.js'
import { look } from '../database.js'
import { freshDirectory, openFor } from './support.js'

/** So many jobs that run, each with an attempt of its own whose token is `t<job>`. */
const withJobs = async (count: number) => {
  const directory = await freshDirectory()
  const database = await openFor(path.join(directory, 'telesto.db'))
  await database.write(async (tx) => {
    for (let id = 1; id <= count; id++) {
      await tx.run(
        `INSERT INTO telesto_jobs (id, app, name, user_id, job_type, spec, needs_scheduler, status_code, status_changed_at, creation_time)
         VALUES ($1, 'flood', 'run', 'ada', 'BASIC', '{}', 0, 'RUN', 1, 1)`,
        [id],
      )
      await tx.run(
        `INSERT INTO telesto_attempts (id, job_id, number, token, job_type, workdir) VALUES ($1, $2, 3, $3, 'BASIC', '')`,
        [100 + id, id, `t${id}`],
      )
      await tx.run('UPDATE telesto_jobs SET attempt_id = $1 WHERE id = $2', [100 + id, id])
    }
  })
  const rows = async () =>
    await look<{ id: number; progress: number | null; message: string | null; updated: number | null }>(
      directory,
      'SELECT id, progress, status_message AS message, last_status_update AS updated FROM telesto_jobs ORDER BY id',
    )
  const events = async () =>
    await look<{ kind: string; job: number; attempt: number; data: string; app: string; at: number }>(
      directory,
      'SELECT kind, job_id AS job, attempt, data, app, at FROM telesto_events ORDER BY id',
    )
  return { directory, database, progress: createProgress(database), rows, events }
}
const tell = (id: number, news: { progress?: number | null; statusMessage?: string | null }, token = `t${id}`) => ({
  id,
  token,
  news,
})
const run = async (database: Database, sql: string) => await database.write(async (tx) => await tx.run(sql))

test('what is told is stored, and told in an event of its attempt; what is not told stays', async () => {
  const { progress, rows, events, database } = await withJobs(1)
  const before = await database.readNow()
  expect(await progress(tell(1, { progress: 0.1 + 0.2, statusMessage: 'a "b" \u{1f680} %_\\' }))).toBe(true)
  expect(await progress(tell(1, { progress: 1 }))).toBe(true)
  const [row] = await rows()
  expect(row).toMatchObject({ progress: 1, message: 'a "b" \u{1f680} %_\\' })
  expect(row?.updated).toBeGreaterThanOrEqual(before)
  expect(await progress(tell(1, { statusMessage: null }))).toBe(true)
  expect(await rows()).toMatchObject([{ progress: 1, message: null }])
  expect(await progress(tell(1, { progress: null }))).toBe(true)
  expect(await rows()).toMatchObject([{ progress: null, message: null }])
  const told = await events()
  expect(told.map(({ data }) => JSON.parse(data))).toEqual([
    { progress: 0.1 + 0.2, statusMessage: 'a "b" \u{1f680} %_\\' },
    { progress: 1 },
    { statusMessage: null },
    { progress: null },
  ])
  for (const one of told) expect(one).toMatchObject({ kind: 'progress', job: 1, attempt: 3, app: 'flood' })
  expect(told[3]?.at).toBeGreaterThanOrEqual(before)
  expect(await database.all('SELECT status_version AS version FROM telesto_jobs')).toEqual([{ version: 0 }])
})

test.each([1, 2, 4, 5, 16, 17, 64, 65, 150])('of %i jobs that tell at once each has its own', async (count) => {
  const { progress, rows, events } = await withJobs(count)
  const all = Array.from({ length: count }, (_, index) => index + 1)
  const told = await Promise.all(
    all.map((id) => progress(tell(id, id % 2 === 0 ? { progress: 1 / id } : { statusMessage: `step ${id}` }))),
  )
  expect(told).toEqual(all.map(() => true))
  expect(await rows()).toMatchObject(
    all.map((id) => ({
      id,
      ...(id % 2 === 0 ? { progress: 1 / id, message: null } : { progress: null, message: `step ${id}` }),
    })),
  )
  expect((await events()).map(({ job }) => job).sort((a, b) => a - b)).toEqual(all)
})

test('nothing is written for a job that is gone, deleted or over, for an old attempt and for a stranger', async () => {
  const { progress, rows, events, database } = await withJobs(8)
  await run(database, 'UPDATE telesto_jobs SET deleted_at = 1 WHERE id = 1')
  for (const [id, code] of [
    [2, 'COM'],
    [3, 'ERR'],
    [4, 'ABT'],
    [5, 'VCP'],
  ] as const)
    await run(database, `UPDATE telesto_jobs SET status_code = '${code}' WHERE id = ${id}`)
  await run(database, `UPDATE telesto_jobs SET status_code = 'OTH', status_class = 'terminal' WHERE id = 6`)
  await run(
    database,
    `INSERT INTO telesto_attempts (id, job_id, number, token, job_type, workdir) VALUES (900, 7, 4, 'new', 'BASIC', '')`,
  )
  await run(database, 'UPDATE telesto_jobs SET attempt_id = 900 WHERE id = 7')
  const news = { progress: 0.5 }
  const told = await Promise.all(
    [...[1, 2, 3, 4, 5, 6, 7, 999].map((id) => tell(id, news)), tell(8, news, 't7'), tell(8, news, '')].map(progress),
  )
  expect(told).toEqual(told.map(() => false))
  expect((await rows()).every((row) => row.progress === null && row.updated === null)).toBe(true)
  expect(await events()).toEqual([])
  // Those who come with them are not kept from it.
  expect(await Promise.all([progress(tell(2, news)), progress(tell(8, news)), progress(tell(7, news, 'new'))])).toEqual(
    [false, true, true],
  )
})

test('of what one job tells at once the first is stored, and the others have a turn of their own', async () => {
  const { progress, rows, events } = await withJobs(1)
  const told = await Promise.all([0.1, 0.2, 0.3].map((one) => progress(tell(1, { progress: one }))))
  expect(told).toEqual([true, false, false])
  expect(await rows()).toMatchObject([{ progress: 0.1 }])
  expect(await events()).toHaveLength(1)
})
