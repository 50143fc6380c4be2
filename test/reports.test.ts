import { rm } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { local } from '../adapters/local.js'
import { defaultAccess } from '../src/access.js'
import { systemClock } from '../src/clock.js'
import { createConnections } from '../src/connections.js'
import type { Core } from '../src/core.js'
import { createEventFeed } from '../src/event-feed.js'
import type { Job } from '../src/job.js'
import { JobManager } from '../src/job-manager.js'
import { createKeyRing } from '../src/key-ring.js'
import { createQuestions } from '../src/questions.js'
import { createRegistry } from '../src/registry.js'
import { createReportTokens, reportKeys } from '../src/report-token.js'
import { report } from '../src/reports.js'
import { createScheduler } from '../src/schedulers/change.js'
import { openDatabase } from '../src/store/open.js'
import { createProgress } from '../src/store/progress.js'
import { createTotals } from '../src/totals.js'
import { localTransport } from '../src/transport/local.js'
import { createPolled } from '../src/waiting/polled.js'
import { createWaiting } from '../src/waiting/waiting.js'
import { forget, placeOf } from './database.js'
import { expectRefusal, scripted, temporaryDirectory } from './fixture.js'

const fail = (error: unknown): never => {
  throw error
}
const silent = { debug() {}, info() {}, warn() {}, error() {} }

/** What a report touches of Telesto, with the pokes that it makes. */
const openCore = async () => {
  const directory = await temporaryDirectory()
  const database = await openDatabase({ ...(await placeOf(directory)), migrate: true, clock: systemClock, log: silent })
  const registry = createRegistry([local, scripted()])
  const poked: number[] = []
  const core: Core = {
    database,
    clock: systemClock,
    log: silent,
    registry,
    keys: createKeyRing([]),
    customStatuses: new Map([
      ['Calibrating', 'running'],
      ['Archived', 'terminal'],
    ]),
    access: defaultAccess,
    urls: { page: (inner) => inner, callback: () => undefined },
    tokens: createReportTokens(await reportKeys(createKeyRing([]), directory)),
    connections: createConnections(registry, createKeyRing([]), silent, () => new Date(), localTransport),
    pokes: { job: (id) => void poked.push(id), take: () => [] },
    questions: createQuestions(() => 0),
    waiting: createWaiting({
      database,
      clock: systemClock,
      access: defaultAccess,
      feed: createEventFeed(database, systemClock, fail),
      failed: fail,
    }),
    totals: createTotals(database, () => 0),
    progress: createProgress(database),
    polled: createPolled(database, systemClock, fail),
    jobsRoot: path.join(directory, 'jobs'),
    machine: 'here',
    owner: 'me',
    leaseMs: 90_000,
    apps: new Map(),
    committed: () => {},
    told: () => {},
  }
  const processResults = new Set(['read'])
  core.apps.set('flood', {
    name: 'flood',
    schedulerSettings: {},
    processResults,
    tasks: new Map(),
    workspace: directory,
    workspaceRoots: [],
  })
  const app = new JobManager<readonly [typeof local, ReturnType<typeof scripted>]>(core, undefined, 'flood')
  const pool = await createScheduler(core, { name: 'pool', adapter: 'scripted' })
  return { directory, core, app, pool, poked }
}
let opened: Awaited<ReturnType<typeof openCore>>
beforeAll(async () => {
  opened = await openCore()
})
afterAll(async () => {
  await opened.core.connections.close()
  await opened.core.database.close()
  await forget(opened.directory)
  await rm(opened.directory, { recursive: true, force: true })
})

const run = async (sql: string) => await opened.core.database.write(async (tx) => await tx.run(sql))
const tokenOf = async (job: Job): Promise<string> => {
  const [row] = await opened.core.database.all<{ token: string }>(
    `SELECT token FROM telesto_attempts WHERE job_id = ${job.id} ORDER BY number DESC LIMIT 1`,
  )
  return opened.core.tokens.of(row?.token ?? 'none')
}
const send = async (job: Job | number, token: string, body: unknown) =>
  await report(opened.core, typeof job === 'number' ? job : job.id, token, body)
/** A job whose status is the app's, executed. */
const own = async (more = {}) => {
  const job = await opened.app.createJob({ name: 'own', user: 'ada', jobType: 'BASIC', ...more })
  await job.execute()
  return { job, token: await tokenOf(job) }
}
/** A job that a scheduler runs, with parts. */
const scheduled = async (status = 'RUN') => {
  const job = await opened.app.createJob({
    name: 'scheduled',
    user: 'ada',
    jobType: 'SCRIPTED',
    scheduler: opened.pool,
  })
  await job.execute()
  await run(`UPDATE telesto_jobs SET status_code = '${status}' WHERE id = ${job.id}`)
  for (const [position, name] of ['first', 'second'].entries())
    await run(
      `INSERT INTO telesto_parts (attempt_id, position, name, state) SELECT attempt_id, ${position}, '${name}', 'queued' FROM telesto_jobs WHERE id = ${job.id}`,
    )
  await job.refresh()
  return { job, token: await tokenOf(job) }
}

describe('who may report', () => {
  test('a wrong token, an old attempt’s, another job’s and an unknown job are refused alike', async () => {
    const { job, token } = await own()
    const { token: others } = await own()
    await job.updateStatus('Complete')
    await job.resubmit()
    const fresh = await tokenOf(job)
    const wrong = `${fresh.slice(0, -1)}${fresh.endsWith('A') ? 'B' : 'A'}`
    const deleted = await own()
    await deleted.job.delete({ stop: true })
    const never = await opened.app.createJob({ name: 'never executed', user: 'ada', jobType: 'BASIC' })
    const refusals = [
      await expectRefusal(() => send(job, wrong, {}), 'report_refused'),
      await expectRefusal(() => send(job, '', {}), 'report_refused'),
      await expectRefusal(() => send(job, 'ü'.repeat(22), {}), 'report_refused'),
      await expectRefusal(() => send(job, token, {}), 'report_refused'),
      await expectRefusal(() => send(job, others, {}), 'report_refused'),
      await expectRefusal(() => send(999_999, fresh, {}), 'report_refused'),
      await expectRefusal(() => send(999_999, opened.core.tokens.of('none'), {}), 'report_refused'),
      await expectRefusal(() => send(never, opened.core.tokens.of('none'), {}), 'report_refused'),
      await expectRefusal(() => send(deleted.job, deleted.token, {}), 'report_refused'),
      await expectRefusal(() => send(job, wrong, { status: 5 }), 'report_refused'),
    ]
    expect(new Set(refusals.map(({ message, status }) => `${status} ${message}`)).size).toBe(1)
    expect(refusals[0]?.status).toBe(403)
    expect(await send(job, fresh, {})).toEqual({})
  })
  test('the token is not the public one of the attempt, and another key gives another', async () => {
    const { job, token } = await own()
    const [row] = await opened.core.database.all<{ token: string }>(
      `SELECT token FROM telesto_attempts WHERE job_id = ${job.id}`,
    )
    expect(row?.token).not.toContain(token)
    await expectRefusal(() => send(job, row?.token ?? '', {}), 'report_refused')
    expect(createReportTokens([new Uint8Array(32)]).of(row?.token ?? '')).not.toBe(token)
  })
  test('the key survives: each process derives the same token', async () => {
    const { job, token } = await own()
    const again = createReportTokens(await reportKeys(createKeyRing([]), opened.directory))
    const [row] = await opened.core.database.all<{ token: string }>(
      `SELECT token FROM telesto_attempts WHERE job_id = ${job.id}`,
    )
    expect(again.of(row?.token ?? '')).toBe(token)
  })
  test.each(['COM', 'ERR', 'ABT', 'VCP'])(
    'a settled job (%s) is already_settled, and nothing changes',
    async (code) => {
      for (const { job, token } of [await own(), await scheduled()]) {
        await run(`UPDATE telesto_jobs SET status_code = '${code}' WHERE id = ${job.id}`)
        await job.refresh()
        for (const body of [{}, { status: 'Running' }, { progress: 0.5 }, { nodes: { first: 'running' } }, 'broken']) {
          const error = await expectRefusal(() => send(job, token, body), 'already_settled', 'status')
          expect(error.status).toBe(409)
        }
        const before = { ...job.toJSON(), runTime: 0 }
        await job.refresh()
        expect({ ...job.toJSON(), runTime: 0 }).toEqual(before)
      }
    },
  )
})

describe('a job whose status is the app’s', () => {
  test('has the reported status, by code or display name, with message and progress', async () => {
    const { job, token } = await own()
    expect(await send(job, token, { status: 'RUN', message: 'half', progress: 0.5 })).toEqual({ statusApplied: true })
    await job.refresh()
    expect([job.status, job.statusMessage, job.progress, job.startTime]).toEqual([
      'Running',
      'half',
      0.5,
      expect.any(Date),
    ])
    expect(await send(job, token, { status: 'Complete', progress: 1 })).toEqual({ statusApplied: true })
    await job.refresh()
    expect([job.status, job.progress, job.completionTime]).toEqual(['Complete', 1, expect.any(Date)])
  })
  test('has a text of its own for an unknown status', async () => {
    const { job, token } = await own()
    for (const status of ['Half-way', 'constructor']) {
      expect(await send(job, token, { status })).toEqual({ statusApplied: true })
      await job.refresh()
      expect([job.status, job.statusCode]).toEqual([status, 'OTH'])
    }
  })
  test('may be a text that this Telesto classifies, and is over with a terminal one', async () => {
    const { job, token } = await own()
    expect(await send(job, token, { status: 'Calibrating', progress: 0.5 })).toEqual({ statusApplied: true })
    await job.refresh()
    expect([job.status, job.statusClass, job.startTime]).toEqual(['Calibrating', 'running', expect.any(Date)])
    expect(await send(job, token, { status: 'Archived' })).toEqual({ statusApplied: true })
    await job.refresh()
    expect([job.status, job.isSettled, job.completionTime]).toEqual(['Archived', true, expect.any(Date)])
    await expectRefusal(() => send(job, token, { progress: 1 }), 'already_settled', 'status')
  })
  test('gets the parts that it tells of, and what was told of them otherwise stays', async () => {
    const { job, token } = await own()
    await job.updateParts([{ name: 'mesh', state: 'queued', nativeId: 'm-1', message: 'first' }])
    expect(await send(job, token, { nodes: { solve: 'queued', mesh: 'running' }, status: 'Various' })).toEqual({
      nodesApplied: 2,
      statusApplied: true,
    })
    expect((await job.parts()).map(({ name, state, nativeId, message }) => [name, state, nativeId, message])).toEqual([
      ['mesh', 'running', 'm-1', 'first'],
      ['solve', 'queued', null, null],
    ])
    await job.refresh()
    expect(job.status).toBe('Various')
  })
  test('has at most 10,000 parts; a report of more is refused whole', async () => {
    const { job, token } = await own()
    const nodes = Object.fromEntries(Array.from({ length: 10_001 }, (_, index) => [`p${index}`, 'queued']))
    await expectRefusal(() => send(job, token, { nodes, progress: 0.5 }), 'invalid', 'nodes')
    await job.refresh()
    expect([job.progress, await job.parts()]).toEqual([null, []])
  })
  test('does not run again once it has ended and only its results are waited for', async () => {
    const { job, token } = await own({ processResults: 'read' })
    await send(job, token, { status: 'Complete' })
    await expectRefusal(() => send(job, token, { status: 'Running' }), 'already_settled', 'status')
    await expectRefusal(() => send(job, token, { status: 'Complete' }), 'already_settled', 'status')
    expect(await send(job, token, { message: 'still writing' })).toEqual({})
    await job.refresh()
    expect([job.status, job.statusMessage]).toEqual(['Results-Ready', 'still writing'])
  })
  test('progress and messages do not raise the version of the status, and neither does the status that it has', async () => {
    const { job, token } = await own()
    const version = async () =>
      await opened.core.database.all(`SELECT status_version AS v FROM telesto_jobs WHERE id = ${job.id}`)
    const before = await version()
    expect(await send(job, token, { message: 'a', progress: 0 })).toEqual({})
    expect(await send(job, token, { message: null, progress: null })).toEqual({})
    expect(await version()).toEqual(before)
    await job.refresh()
    expect([job.statusMessage, job.progress]).toEqual([null, null])
    expect(await send(job, token, { status: 'SUB', message: 'b', progress: 0.5 })).toEqual({ statusApplied: true })
    expect(await version()).toEqual(before)
    await job.refresh()
    expect([job.status, job.statusMessage, job.progress]).toEqual(['Submitted', 'b', 0.5])
  })
})

describe('a job that a scheduler runs', () => {
  test.each(['Running', 'COM', 'Error', 'Other'])(
    'keeps its status when %s is reported: not applied, and a poke',
    async (status) => {
      const { job, token } = await scheduled('SUB')
      opened.poked.length = 0
      expect(await send(job, token, { status, progress: 0.25 })).toEqual({ statusApplied: false })
      expect(opened.poked).toEqual([job.id])
      await job.refresh()
      expect([job.status, job.customStatus, job.progress]).toEqual(['Submitted', null, 0.25])
    },
  )
  test('shows an unknown status as a label beside its own', async () => {
    const { job, token } = await scheduled()
    opened.poked.length = 0
    expect(await send(job, token, { status: 'Meshing', message: 'm' })).toEqual({ statusApplied: true })
    await job.refresh()
    expect([job.status, job.customStatus, job.statusMessage]).toEqual(['Running', 'Meshing', 'm'])
    expect(opened.poked).toEqual([])
  })
  test('has its nodes’ states in its parts, until a poll that is asked later; unknown nodes count for nothing', async () => {
    const { job, token } = await scheduled()
    opened.poked.length = 0
    expect(await send(job, token, { nodes: { first: 'succeeded', nobody: 'failed', constructor: 'failed' } })).toEqual({
      nodesApplied: 1,
    })
    expect((await job.parts()).map(({ name, state, reportedAt }) => [name, state, reportedAt !== null])).toEqual([
      ['first', 'succeeded', true],
      ['second', 'queued', false],
    ])
    expect(opened.poked).toEqual([job.id])
    await job.refresh()
    expect(job.statuses).toEqual({ queued: 1, succeeded: 1 })
    expect(await send(job, token, { nodes: {} })).toEqual({ nodesApplied: 0 })
  })
  test('all of it in one report', async () => {
    const { job, token } = await scheduled()
    const answer = await send(job, token, {
      status: 'Complete',
      message: 'done',
      progress: 1,
      nodes: { second: 'running' },
    })
    expect(answer).toEqual({ statusApplied: false, nodesApplied: 1 })
  })
})

describe('refused, and nothing is applied', () => {
  test.each<[string, unknown, string, string]>([
    ['progress above 1', { progress: 1.01 }, 'invalid', 'progress'],
    ['progress below 0', { progress: -0.01 }, 'invalid', 'progress'],
    ['progress that is NaN', { progress: Number.NaN }, 'invalid', 'progress'],
    ['progress that is a text', { progress: '0.5' }, 'invalid', 'progress'],
    ['an unknown field', { persent: 50 }, 'unknown_field', 'persent'],
    ['a field of every object', JSON.parse('{"constructor": 1}'), 'unknown_field', 'constructor'],
    ['an empty status', { status: '' }, 'invalid', 'status'],
    ['a status that is null', { status: null }, 'invalid', 'status'],
    ['a status with a control character', { status: 'a\u0007' }, 'invalid', 'status'],
    ['a status of 1,025 characters', { status: 'x'.repeat(1025) }, 'invalid', 'status'],
    ['a message of 2,049 characters', { message: 'x'.repeat(2049) }, 'invalid', 'message'],
    ['a message with half of a surrogate pair', { message: '\ud800' }, 'invalid', 'message'],
    ['an unknown state of a node', { nodes: { first: 'Running' } }, 'invalid', 'nodes.first'],
    ['a node with a NUL in its name', { nodes: { 'a\0': 'running' } }, 'invalid', 'nodes.a\0'],
    ['nodes that are a list', { nodes: ['first'] }, 'invalid', 'nodes'],
  ])('%s', async (_name, body, code, field) => {
    const { job, token } = await scheduled()
    const before = { ...job.toJSON(), runTime: 0 }
    await expectRefusal(() => send(job, token, { message: 'good', ...(body as object) }), code, field)
    await job.refresh()
    expect({ ...job.toJSON(), runTime: 0 }).toEqual(before)
  })
  test.each([null, undefined, 'Running', 5, []])('a body that is no object: %j', async (body) => {
    const { job, token } = await own()
    const error = await expectRefusal(() => send(job, token, body), 'invalid', '')
    expect(error.status).toBe(400)
  })
})
