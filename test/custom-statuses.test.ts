import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { local } from '../adapters/local.js'
import { statusCategories } from '../src/custom-statuses.js'
import * as api from '../src/index.js'
import { completeSql, hasStarted, isComplete, STATUS_CLASSES, type StatusClass, settledSql } from '../src/status.js'
import { forget, look, telestoIn } from './database.js'
import { CODES, expectRefusal, scripted, temporaryDirectory } from './fixture.js'

const CUSTOM = {
  'Waiting for data': 'pre-running',
  Calibrating: 'running',
  Reviewing: 'active',
  Archived: 'terminal',
} as const
const CLASSES: readonly (StatusClass | null)[] = [null, ...STATUS_CLASSES]

const openTelesto = async () => {
  const directory = await temporaryDirectory()
  const telesto = await api.createTelesto({
    adapters: [local, scripted()],
    ...(await telestoIn(directory)),
    customStatuses: CUSTOM,
  })
  await telesto.createScheduler({ name: 'pool', adapter: 'scripted', enabled: false })
  const app = telesto.app('flood', {
    processResults: { read: () => {} },
    schedulerSettings: { compute: { adapter: 'scripted' } },
  })
  await telesto.assignScheduler('flood', 'compute', 'pool')
  return { directory, telesto, app }
}
let opened: Awaited<ReturnType<typeof openTelesto>>
beforeAll(async () => {
  opened = await openTelesto()
})
afterAll(async () => {
  await opened.telesto.close()
  await forget(opened.directory)
  await rm(opened.directory, { recursive: true, force: true })
})

const BASIC = { name: 'own', user: 'ada', jobType: 'BASIC' } as const
const created = async (more = {}) => await opened.app.createJob({ ...BASIC, ...more })
/** A job with this status of the app's own. */
const became = async (text: string, more = {}) => {
  const job = await created(more)
  await job.updateStatus(text)
  return job
}
const eventsOf = async (job: api.Job) => {
  const sql = `SELECT data FROM telesto_events WHERE job_id = $1 AND kind = 'status' ORDER BY id`
  const rows = await look(opened.directory, sql, [job.id])
  return rows.map(({ data }) => JSON.parse(String(data)) as Record<string, unknown>)
}

describe('the option customStatuses', () => {
  test.each<[string, unknown, string]>([
    ['a display name', { Running: 'running' }, 'customStatuses.Running'],
    ['a code', { COM: 'terminal' }, 'customStatuses.COM'],
    ['Other itself', { Other: 'active' }, 'customStatuses.Other'],
    ['an unknown class', { Calibrating: 'Running' }, 'customStatuses.Calibrating'],
    ['a class of every object', { Calibrating: 'constructor' }, 'customStatuses.Calibrating'],
    ['no class', { Calibrating: undefined }, 'customStatuses.Calibrating'],
    ['an empty text', { '': 'running' }, 'customStatuses.'],
    ['256 characters', { ['x'.repeat(256)]: 'running' }, `customStatuses.${'x'.repeat(256)}`],
    ['a line break', { 'a\nb': 'running' }, 'customStatuses.a\nb'],
    ['half of a surrogate pair', { 'a\ud800': 'running' }, 'customStatuses.a\ud800'],
    ['a text of every object, without a class', JSON.parse('{"__proto__": 5}'), 'customStatuses.__proto__'],
    ['a list', ['Calibrating'], 'customStatuses'],
    ['a Map', new Map([['Calibrating', 'running']]), 'customStatuses'],
    ['null', null, 'customStatuses'],
  ])('refuses %s at once, and leaves nothing behind', async (_name, customStatuses, field) => {
    const directory = path.join(opened.directory, 'never')
    const options = { adapters: [local], directory, customStatuses } as never
    await expectRefusal(() => api.createTelesto(options), 'invalid', field)
    expect(existsSync(directory)).toBe(false)
  })
  test('takes 255 characters, and any text that is no standard status', async () => {
    const directory = await temporaryDirectory()
    const customStatuses = {
      ['é'.repeat(255)]: 'running',
      running: 'running',
      ...JSON.parse('{"__proto__": "active"}'),
    }
    const telesto = await api.createTelesto({
      adapters: [local],
      ...(await telestoIn(directory)),
      runLoops: false,
      customStatuses,
    })
    expect(telesto.statuses.runningStatuses).toEqual(['Running', 'Various', 'é'.repeat(255), 'running'])
    await telesto.close()
    await forget(directory)
    await rm(directory, { recursive: true, force: true })
  })
})

describe('the categories of one Telesto', () => {
  test('hold its texts as Tethys would have them', () => {
    expect(opened.telesto.statuses).toEqual({
      preRunningStatuses: [...api.preRunningStatuses, 'Waiting for data'],
      runningStatuses: [...api.runningStatuses, 'Calibrating'],
      activeStatuses: [...api.activeStatuses, 'Calibrating', 'Reviewing'],
      nonTerminalStatuses: [...api.nonTerminalStatuses, 'Waiting for data', 'Calibrating', 'Reviewing'],
      terminalStatuses: [...api.terminalStatuses, 'Archived'],
    })
  })
  test('without texts are those of Tethys, which never change', () => {
    const { preRunningStatuses, runningStatuses, activeStatuses, nonTerminalStatuses, terminalStatuses } = api
    const exported = { preRunningStatuses, runningStatuses, activeStatuses, nonTerminalStatuses, terminalStatuses }
    expect(statusCategories(new Map())).toEqual(exported)
    expect(Object.values(exported).flat()).not.toContain('Calibrating')
  })
})

describe('a status of the app’s own', () => {
  // active, settled, started, ended
  test.each<[string, StatusClass | null, boolean, boolean, boolean, boolean]>([
    ['Waiting for data', 'pre-running', true, false, false, false],
    ['Calibrating', 'running', true, false, true, false],
    ['Reviewing', 'active', true, false, false, false],
    ['Archived', 'terminal', false, true, true, true],
    ['Half-way', null, true, false, false, false],
  ])('%s has the class %s', async (text, statusClass, active, settled, started, ended) => {
    const job = await became(text)
    expect([job.status, job.statusCode, job.customStatus, job.statusClass]).toEqual([text, 'OTH', text, statusClass])
    expect([job.isActive, job.isSettled]).toEqual([active, settled])
    expect([api.isActive(job), api.isSettled(job)]).toEqual([active, settled])
    expect([job.startTime !== null, job.completionTime !== null]).toEqual([started, ended])
    expect(job.toJSON()).toMatchObject({ status: text, statusClass, isSettled: settled })
    expect(job.can('stop')).toBe(active)
    expect([job.can('resubmit'), job.can('delete'), job.can('updateStatus')]).toEqual([settled, settled, active])
  })
  test('keeps its first start, and tells from and to in the history', async () => {
    const job = await became('Calibrating')
    const started = job.startTime
    await job.updateStatus('Reviewing')
    await job.updateStatus('Paused')
    await job.updateStatus('Archived')
    expect(job.startTime).toEqual(started)
    expect(await eventsOf(job)).toEqual([
      { from: 'Pending', to: 'Submitted' },
      { from: 'Submitted', to: 'Calibrating', class: 'running' },
      { from: 'Calibrating', to: 'Reviewing', class: 'active' },
      { from: 'Reviewing', to: 'Paused' },
      { from: 'Paused', to: 'Archived', class: 'terminal' },
    ])
  })
  test.each(['Paused', 'Calibrating', 'Half-way'])('%s, set a second time, is no change', async (text) => {
    const job = await became(text)
    const before = await eventsOf(job)
    await job.updateStatus(text)
    expect(job.status).toBe(text)
    expect(await eventsOf(job)).toEqual(before)
    await job.updateStatus('Running')
    expect((await eventsOf(job)).at(-1)).toEqual({ from: text, to: 'Running' })
  })
  test('goes, text and class, with whatever status comes next', async () => {
    const stopped = await became('Calibrating')
    await stopped.stop()
    expect([stopped.status, stopped.customStatus, stopped.statusClass]).toEqual(['Aborted', null, null])
    const paused = await became('Calibrating')
    await paused.updateStatus('Half-way')
    expect([paused.status, paused.statusClass]).toEqual(['Half-way', null])
    await paused.updateStatus('Other')
    expect([paused.status, paused.customStatus, paused.statusClass]).toEqual(['Other', null, null])
  })
  test('goes with the next status of many jobs at once too; the others keep theirs', async () => {
    const user = 'bulk'
    const jobs = [
      await became('Calibrating', { user }),
      await became('Half-way', { user }),
      await became('Running', { user }),
    ]
    const labelled = await opened.app.createJob({ ...BASIC, user, jobType: 'SCRIPTED', scheduler: 'compute' })
    await labelled.execute()
    await labelled.updateStatus('Archived')
    await opened.app.listJobs({ user }).stop()
    const texts = []
    for (const job of [...jobs, labelled]) {
      await job.refresh()
      texts.push([job.status, job.customStatus, job.statusClass])
    }
    expect(texts).toEqual([
      ['Aborted', null, null],
      ['Aborted', null, null],
      ['Aborted', null, null],
      ['Aborted', 'Archived', null],
    ])
    expect((await eventsOf(jobs[0] as api.Job)).at(-1)).toEqual({ from: 'Calibrating', to: 'Aborted' })
  })
  test('keeps the class that it was set with when the configuration changes', async () => {
    const directory = await temporaryDirectory()
    const open = async (customStatuses: Record<string, StatusClass>) =>
      await api.createTelesto({
        adapters: [local],
        ...(await telestoIn(directory)),
        runLoops: false,
        customStatuses,
      })
    const before = await open({ Archived: 'terminal' })
    const job = await before.app('flood').createJob(BASIC)
    await job.updateStatus('Archived')
    await before.close()
    const after = await open({ Archived: 'running' })
    const same = await after.app('flood').getJob(job.id)
    expect([same?.statusClass, same?.isSettled]).toEqual(['terminal', true])
    const fresh = await after.app('flood').createJob(BASIC)
    await fresh.updateStatus('Archived')
    expect([fresh.statusClass, fresh.isSettled]).toEqual(['running', false])
    await after.close()
    await forget(directory)
    await rm(directory, { recursive: true, force: true })
  })
  test('on a scheduler’s job is a label, and means nothing', async () => {
    const job = await opened.app.createJob({ ...BASIC, jobType: 'SCRIPTED', scheduler: 'compute' })
    await job.execute()
    await job.updateStatus('Archived')
    expect([job.status, job.customStatus, job.statusClass]).toEqual(['Pending', 'Archived', null])
    expect([job.isActive, job.isSettled]).toEqual([true, false])
    await job.stop()
    expect([job.status, job.customStatus]).toEqual(['Aborted', 'Archived'])
  })
  test('is what a filter finds, its contrary and Other too', async () => {
    const user = 'filters'
    const jobs = [await became('Calibrating', { user }), await became('Archived', { user }), await created({ user })]
    const [calibrating, archived, pending] = jobs.map(({ id }) => id)
    const ids = async (filter: api.JobFilter) =>
      (await opened.app.listJobs({ user, filters: filter })).map(({ id }) => id)
    expect(await ids({ status: 'Archived' })).toEqual([archived])
    expect(await ids({ status: ['Calibrating', 'Pending'] })).toEqual([calibrating, pending])
    expect(await ids({ status: 'Other' })).toEqual([calibrating, archived])
    expect(await ids({ statusNe: 'Archived' })).toEqual([calibrating, pending])
    expect(await ids({ status: [...opened.telesto.statuses.terminalStatuses] })).toEqual([archived])
  })
})

describe('a terminal status of the app’s own', () => {
  test('is an end: nothing more is set, stopped or paused', async () => {
    const job = await became('Archived')
    const error = await expectRefusal(() => job.updateStatus('Running'), 'already_settled', 'status')
    expect(error.message).toContain('it is Archived')
    await expectRefusal(() => job.updateStatus('Reviewing'), 'already_settled', 'status')
    const refused = await expectRefusal(() => job.stop(), 'action_not_allowed', 'action')
    expect(refused.message).toContain('is Archived')
    await expectRefusal(() => job.execute(), 'action_not_allowed', 'action')
    await expectRefusal(() => job.collectAgain(), 'action_not_allowed', 'action')
  })
  test('is resubmitted, and the old attempt keeps it', async () => {
    const job = await became('Archived')
    await job.resubmit()
    expect([job.status, job.customStatus, job.statusClass, job.completionTime]).toEqual(['Submitted', null, null, null])
    expect((await job.attempts()).map(({ status }) => status)).toEqual(['Archived', null])
    await job.updateStatus('Complete')
    expect((await job.attempts()).map(({ status }) => status)).toEqual(['Archived', 'Complete'])
  })
  test('is deleted without being stopped; one on its way only with stop', async () => {
    await (await became('Archived')).delete()
    const job = await became('Calibrating')
    await expectRefusal(() => job.delete(), 'job_is_active', 'stop')
    await job.delete({ stop: true })
  })
  test('has no results to process: those are of Complete', async () => {
    const job = await became('Archived', { processResults: 'read' })
    expect([job.status, job.isSettled]).toEqual(['Archived', true])
    const sql = 'SELECT collect_due_at AS due FROM telesto_attempts WHERE job_id = $1'
    expect(await look(opened.directory, sql, [job.id])).toEqual([{ due: null }])
  })
  test('lets children go, as Complete does; any other text does not', async () => {
    const parents = [await became('Reviewing'), await became('Archived')]
    const child = await created({ command: ['true'], parents: parents.map(({ id }) => id) })
    const other = await created({ command: ['true'], parents: [(await became('Archived')).id] })
    await child.execute()
    await other.execute()
    const become = async (job: api.Job, status: string) =>
      await vi.waitFor(
        async () => {
          await job.refresh()
          expect(job.status).toBe(status)
        },
        { timeout: 15_000, interval: 50 },
      )
    await become(other, 'Complete')
    await child.refresh()
    expect([child.status, child.waitingFor]).toEqual([
      'Pending',
      `After job ${parents[0]?.id} (Reviewing), one of 2 parents`,
    ])
    await parents[0]?.updateStatus('Archived')
    await become(child, 'Complete')
  })
})

test('what a status means is the same in a program and in a statement, for all codes and classes', async () => {
  const standings = CODES.flatMap((statusCode) => CLASSES.map((statusClass) => ({ statusCode, statusClass })))
  const rows = standings.map(
    ({ statusCode, statusClass }, place) =>
      `(${place}, '${statusCode}', ${statusClass === null ? 'NULL' : `'${statusClass}'`})`,
  )
  const found = await look(
    opened.directory,
    `WITH j (place, status_code, status_class) AS (VALUES ${rows.join(', ')})
     SELECT status_code AS "statusCode", status_class AS "statusClass", ${completeSql('j')} AS complete,
       ${settledSql('j')} AS settled, NOT ${settledSql('j')} AS unsettled FROM j ORDER BY place`,
  )
  expect(found).toEqual(
    standings.map((job) => ({
      ...job,
      complete: Number(isComplete(job)),
      settled: Number(api.isSettled(job)),
      unsettled: Number(!api.isSettled(job)),
    })),
  )
  expect(standings.filter(isComplete)).toEqual([
    ...CLASSES.map((statusClass) => ({ statusCode: 'COM', statusClass })),
    { statusCode: 'OTH', statusClass: 'terminal' },
  ])
  for (const job of standings) {
    if (isComplete(job)) expect([api.isSettled(job), hasStarted(job)]).toEqual([true, true])
    expect(api.isSettled(job) && api.isActive({ ...job, executeTime: 1 })).toBe(false)
  }
})

describe('job types that no scheduler runs', () => {
  const survey = api.defineJobTypes('survey', { SURVEY: z.strictObject({ region: z.string() }) })

  test('are created, told of and ended by their app; there is no record to make', async () => {
    const directory = await temporaryDirectory()
    const telesto = await api.createTelesto({
      adapters: [survey],
      ...(await telestoIn(directory)),
      customStatuses: { 'In the field': 'running' },
    })
    const app = telesto.app('survey')
    const job = await app.createJob({ name: 'survey', user: 'ada', jobType: 'SURVEY', region: 'north' })
    await job.execute()
    expect([job.status, job.spec, job.record]).toEqual(['Submitted', { region: 'north' }, undefined])
    await job.updateStatus('In the field')
    await job.updateStatus('Complete')
    expect([job.isSettled, await job.logs(), await job.results()]).toEqual([true, [], []])
    const wrong = { name: 'survey', user: 'ada', jobType: 'SURVEY' } as const
    await expectRefusal(() => app.createJob({ ...wrong, region: 5 } as never), 'invalid', 'region')
    await expectRefusal(() => app.createJob({ ...wrong, region: 'n', parents: [job.id] }), 'invalid', 'parents')
    const refused = await expectRefusal(
      () => telesto.createScheduler({ name: 'none', adapter: 'survey' }),
      'invalid',
      'config',
    )
    expect(refused.message).toContain('run on no scheduler')
    await telesto.close()
    await forget(directory)
    await rm(directory, { recursive: true, force: true })
  })
  test('are defined like an adapter’s: a reserved option is refused', () => {
    expect(() => api.defineJobTypes('survey', { SURVEY: z.strictObject({ tags: z.string() }) })).toThrow('tags')
  })
})
