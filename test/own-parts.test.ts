import { describe, expect, test } from 'vitest'
import { JOB_STATES, type JobState } from '../src/adapter.js'
import { statusOfParts } from '../src/decide.js'
import { withTold } from '../src/engine/parts.js'
import type { Job, StoredPart, ToldPart } from '../src/index.js'
import { MAX_PARTS } from '../src/own-status.js'
import { expectRefusal, sharedTelesto } from './fixture.js'

const shared = sharedTelesto()
const created = async (more = {}) =>
  await (await shared.newApp()).createJob({ name: 'own', user: 'ada', jobType: 'BASIC', ...more })
const stored = async (job: Job) =>
  (await job.parts()).map(({ name, state, message, exitCode, nativeId }) => ({
    name,
    state,
    message,
    exitCode,
    nativeId,
  }))
const none = { message: null, exitCode: null, nativeId: null }
const partEvents = (job: Job) => shared.count('telesto_events', `job_id = ${job.id} AND kind = 'parts'`)
const many = (count: number, from = 0): ToldPart[] =>
  Array.from({ length: count }, (_, index) => ({ name: `p${from + index}`, state: 'queued' }))

describe('parts that an app tells', () => {
  test('are kept by name, in the order of their first mention; what is absent stays', async () => {
    const job = await created()
    await job.execute()
    await job.updateParts([
      { name: 'mesh', state: 'running', nativeId: 'm-1' },
      { name: 'solve', state: 'queued', message: 'waits for mesh' },
    ])
    expect(job.status).toBe('Submitted')
    await job.updateParts([
      { name: 'plot', state: 'queued' },
      { name: 'mesh', state: 'failed', exitCode: 3, message: 'no memory' },
    ])
    expect(await stored(job)).toEqual([
      { name: 'mesh', state: 'failed', message: 'no memory', exitCode: 3, nativeId: 'm-1' },
      { name: 'solve', state: 'queued', ...none, message: 'waits for mesh' },
      { name: 'plot', state: 'queued', ...none },
    ])
    await job.updateParts([{ name: 'solve', state: 'running', message: null }])
    expect((await stored(job))[1]).toEqual({ name: 'solve', state: 'running', ...none })
    expect([await partEvents(job), job.statuses]).toEqual([3, { failed: 1, queued: 1, running: 1 }])
    await job.updateParts([{ name: 'solve', state: 'running' }])
    await job.updateParts([])
    expect(await partEvents(job)).toBe(3)
  })
  test('start a job that was not executed, and belong to its attempt', async () => {
    const job = await created()
    await job.updateParts([{ name: 'mesh', state: 'running' }])
    expect([job.status, job.attempt]).toEqual(['Submitted', 1])
    await job.updateStatus('Error')
    expect((await job.parts()).length).toBe(1)
    await job.resubmit()
    expect([await job.parts(), job.statuses]).toEqual([[], {}])
  })
  test('are 10,000 at most, in one call or in several; beyond that nothing changes', async () => {
    const job = await created()
    await job.updateParts(many(MAX_PARTS))
    expect((await job.parts()).map(({ name }) => name)).toEqual(many(MAX_PARTS).map(({ name }) => name))
    await job.updateParts([{ name: 'p9999', state: 'succeeded' }])
    const error = await expectRefusal(() => job.updateParts(many(2, MAX_PARTS - 1)), 'invalid', 'parts')
    expect(error.message).toContain('10001')
    expect((await job.parts()).length).toBe(MAX_PARTS)
    expect((await job.parts()).at(-1)?.state).toBe('succeeded')
    const other = await created()
    await expectRefusal(() => other.updateParts(many(MAX_PARTS + 1)), 'invalid', 'parts')
    await other.refresh()
    expect([other.status, await other.parts()]).toEqual(['Pending', []])
  })
  test('told by a user are in the audit trail', async () => {
    const job = await created()
    const mine = await shared.telesto.as({ id: 'ada' }).getJob(job.id)
    await mine?.updateParts([{ name: 'mesh', state: 'running' }])
    expect(await shared.count('telesto_audit', `job_id = ${job.id} AND user_id = 'ada'`)).toBe(1)
  })
})

describe('the status that parts add up to', () => {
  const derived = async (...states: JobState[]) => {
    const job = await created()
    await job.updateParts(
      states.map((state, index) => ({ name: `p${index}`, state })),
      { deriveStatus: true },
    )
    return job.status
  }
  test('is set where it is asked for: Various while they differ', async () => {
    expect(await derived('queued', 'queued')).toBe('Submitted')
    expect(await derived('running', 'queued')).toBe('Various')
    expect(await derived('running', 'running')).toBe('Running')
    expect(await derived('held')).toBe('Paused')
    expect(await derived('unknown')).toBe('Submitted')
    expect(await derived()).toBe('Submitted')
    expect(await derived('succeeded', 'succeeded')).toBe('Complete')
    expect(await derived('succeeded', 'failed')).toBe('Various-Complete')
    expect(await derived('failed', 'cancelled')).toBe('Error')
    expect(await derived('cancelled')).toBe('Aborted')
  })
  test('counts all parts, and Complete waits for processResults', async () => {
    const job = await created({ processResults: 'read' })
    await job.updateParts([{ name: 'a', state: 'running' }])
    expect(job.status).toBe('Submitted')
    await job.updateParts([{ name: 'b', state: 'succeeded' }], { deriveStatus: true })
    expect([job.status, job.startTime]).toEqual(['Various', expect.any(Date)])
    const changes = () => shared.count('telesto_events', `job_id = ${job.id} AND kind = 'status'`)
    const before = await changes()
    await job.updateParts([{ name: 'c', state: 'queued' }], { deriveStatus: true })
    expect([job.status, await changes()]).toEqual(['Various', before])
    await job.updateParts([{ name: 'a', state: 'succeeded' }], { deriveStatus: true })
    await job.updateParts([{ name: 'c', state: 'succeeded' }], { deriveStatus: true })
    expect(job.status).toBe('Results-Ready')
  })
  test('is the rule for a scheduler’s parts', () => {
    for (const state of JOB_STATES) expect(statusOfParts(new Set([state]))).toBe(statusOfParts(new Set([state, state])))
    expect(statusOfParts(new Set())).toBeUndefined()
    expect(statusOfParts(new Set(['queued', 'unknown']))).toBe('VAR')
  })
})

describe('refused, and nothing is stored', () => {
  test.each<[string, unknown, string, string]>([
    ['no list', { name: 'a', state: 'running' }, 'invalid', 'parts'],
    ['no name', [{ state: 'running' }], 'invalid', 'parts.0.name'],
    ['an empty name', [{ name: '', state: 'running' }], 'invalid', 'parts.0.name'],
    ['a name of 256 characters', [{ name: 'x'.repeat(256), state: 'running' }], 'invalid', 'parts.0.name'],
    ['a name with a NUL', [{ name: 'a\0', state: 'running' }], 'invalid', 'parts.0.name'],
    ['an unknown state', [many(1)[0], { name: 'a', state: 'Running' }], 'invalid', 'parts.1.state'],
    ['a name twice', [...many(3), ...many(1)], 'invalid', 'parts.3.name'],
    ['a long message', [{ name: 'a', state: 'failed', message: 'x'.repeat(2049) }], 'invalid', 'parts.0.message'],
    ['half an exit code', [{ name: 'a', state: 'failed', exitCode: 0.5 }], 'invalid', 'parts.0.exitCode'],
    ['an id that is no text', [{ name: 'a', state: 'failed', nativeId: 5 }], 'invalid', 'parts.0.nativeId'],
    ['an unknown field', [{ name: 'a', state: 'failed', reason: 'x' }], 'unknown_field', 'parts.0.reason'],
  ])('%s', async (_name, parts, code, field) => {
    const job = await created()
    await expectRefusal(() => job.updateParts(parts as never), code, field)
    await job.refresh()
    expect([job.status, await job.parts()]).toEqual(['Pending', []])
  })
  test('an unknown option', async () => {
    const job = await created()
    await expectRefusal(() => job.updateParts([], { derive: true } as never), 'unknown_field', 'options.derive')
  })
  test('on a job that a scheduler runs', async () => {
    const app = await shared.newApp()
    const job = await app.createJob({ name: 'theirs', user: 'ada', jobType: 'SCRIPTED', scheduler: 'compute' })
    await job.execute()
    const error = await expectRefusal(() => job.updateParts(many(1)), 'parts_owned_by_scheduler', 'parts')
    expect(error.status).toBe(409)
    expect(await job.parts()).toEqual([])
  })
  test.each(['Complete', 'Error', 'Results-Ready'])('on a job that has ended: %s', async (status) => {
    const job = await created()
    await job.updateStatus(status)
    await expectRefusal(() => job.updateParts(many(1)), 'already_settled', 'parts')
  })
})

describe('the times of a part', () => {
  const told = (...states: JobState[]): StoredPart =>
    states.reduce<StoredPart | undefined>(
      (known, state, index) =>
        withTold(
          known,
          { name: 'a', state, ...(state === 'failed' ? { exitCode: 3, message: 'no' } : {}) },
          7,
          index + 1,
        ),
      undefined,
    ) as StoredPart
  test('are when it was first told to run and to have ended', () => {
    expect(told('queued')).toMatchObject({ position: 7, startedAt: null, endedAt: null, reportedAt: 1 })
    expect(told('queued', 'running', 'suspended', 'running')).toMatchObject({ startedAt: 2, endedAt: null })
    expect(told('running', 'failed', 'failed')).toMatchObject({ startedAt: 1, endedAt: 2, exitCode: 3 })
    expect(told('succeeded')).toMatchObject({ startedAt: null, endedAt: 1 })
  })
  test('begin anew with it, and so do message and exit code', () => {
    expect(told('running', 'failed', 'queued')).toMatchObject({
      startedAt: null,
      endedAt: null,
      exitCode: null,
      message: null,
    })
    expect(told('running', 'failed', 'running')).toMatchObject({ startedAt: 3, endedAt: null, exitCode: null })
  })
})
