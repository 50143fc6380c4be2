import { describe, expect, test } from 'vitest'
import type { Job } from '../src/index.js'
import { expectRefusal, sharedTelesto } from './fixture.js'

const shared = sharedTelesto()
const BASIC = { name: 'a job', user: 'ada', jobType: 'BASIC' } as const
const SCRIPTED = { name: 'a job', user: 'ada', jobType: 'SCRIPTED', scheduler: 'compute' } as const

const anApp = async () => await shared.newApp()
const created = async (): Promise<Job> => await (await anApp()).createJob(BASIC)
/** A second copy of the same job, as another request has it. */
const copyOf = async (job: Job): Promise<Job> => {
  const copy = await shared.telesto.app(job.app).getJob(job.id)
  if (!copy) throw new Error('It is there.')
  return copy
}
/** A job that its scheduler has accepted, without a scheduler. */
const accepted = async (statusCode: string, columns = {}): Promise<Job> => {
  const job = await (await anApp()).createJob(SCRIPTED)
  await job.execute()
  const settled = ['COM', 'ERR', 'ABT', 'VCP'].includes(statusCode)
  await shared.setAttempt(job, {
    native_id: `n${job.id}`,
    handed_over_at: 1,
    order_name: null,
    live: settled ? 0 : 1,
    ended: settled ? 1 : 0,
  })
  await shared.set(job, { status_code: statusCode, ...columns })
  await job.refresh()
  return job
}

describe('save', () => {
  test('writes only what was changed: of two copies that edit different fields both survive', async () => {
    const one = await created()
    const two = await copyOf(one)
    one.name = 'of one'
    one.tags = { from: 'one' }
    two.description = 'of two'
    two.groups = ['two']
    two.progress = 0.5
    two.extendedProperties.two = 2
    await Promise.all([one.save(), two.save()])
    expect((await copyOf(one)).toJSON()).toMatchObject({
      name: 'of one',
      tags: { from: 'one' },
      description: 'of two',
      groups: ['two'],
      progress: 0.5,
      extendedProperties: { two: 2 },
    })
  })
  test('does not undo what the engine wrote meanwhile', async () => {
    const job = await accepted('RUN')
    job.description = 'edited'
    await shared.set(job, { status_code: 'COM', status_version: 99 })
    await job.save()
    expect([job.status, job.description]).toEqual(['Complete', 'edited'])
    expect(await shared.sql(`SELECT status_version AS v FROM telesto_jobs WHERE id = ${job.id}`)).toEqual([{ v: 99 }])
  })
  test('stores changes of extendedProperties at any depth', async () => {
    const job = await created()
    job.extendedProperties = { basin: { areas: [{ km2: 1 }] } }
    await job.save()
    const deep = job.extendedProperties as { basin: { areas: { km2: number }[] } }
    ;(deep.basin.areas[0] as { km2: number }).km2 = 2
    deep.basin.areas.push({ km2: 3 })
    await job.save()
    expect((await copyOf(job)).extendedProperties).toEqual({ basin: { areas: [{ km2: 2 }, { km2: 3 }] } })
    delete job.extendedProperties.basin
    await job.save()
    expect((await copyOf(job)).extendedProperties).toEqual({})
  })
  test('without a change writes nothing, and tells nobody', async () => {
    const job = await created()
    const events = await shared.count('telesto_events', `job_id = ${job.id}`)
    job.extendedProperties.a = 1
    delete job.extendedProperties.a
    await job.save()
    expect(await shared.count('telesto_events', `job_id = ${job.id}`)).toBe(events)
  })
  test('tells which fields were edited', async () => {
    const job = await created()
    job.name = 'b'
    job.tags = {}
    await job.save()
    const [event] = await shared.sql(`SELECT data FROM telesto_events WHERE job_id = ${job.id} AND kind = 'edited'`)
    expect(JSON.parse(String(event?.data))).toEqual({ fields: ['name', 'tags'] })
  })
  test('clears a message and a progress with null', async () => {
    const job = await created()
    job.statusMessage = 'half'
    job.progress = 0.5
    await job.save()
    job.statusMessage = null
    job.progress = null
    await job.save()
    expect([job.statusMessage, job.progress]).toEqual([null, null])
  })
  test.each<[keyof Job, unknown, string]>([
    ['name', '', 'name'],
    ['name', 'a\nb', 'name'],
    ['name', 5, 'name'],
    ['description', 'x'.repeat(2049), 'description'],
    ['statusMessage', 5, 'statusMessage'],
    ['progress', 1.01, 'progress'],
    ['progress', -0.1, 'progress'],
    ['progress', Number.NaN, 'progress'],
    ['progress', '0.5', 'progress'],
    ['groups', [''], 'groups.0'],
    ['groups', 5, 'groups'],
    ['tags', { a: 1 }, 'tags.a'],
    ['tags', null, 'tags'],
    ['extendedProperties', [], 'extendedProperties'],
    ['extendedProperties', null, 'extendedProperties'],
  ])('a wrong %s is refused when it is set: %j', async (field, value, named) => {
    const job = await created()
    await expectRefusal(() => Object.assign(job, { [field]: value }), 'invalid', named)
    await job.save()
    expect((await copyOf(job)).toJSON()).toEqual(job.toJSON())
  })
  test('extendedProperties that are no JSON are refused, and nothing else is stored either', async () => {
    const job = await created()
    job.name = 'renamed'
    job.extendedProperties.at = new Date()
    await expectRefusal(() => job.save(), 'invalid', 'extendedProperties')
    expect((await copyOf(job)).name).toBe('a job')
  })
  test('what cannot be changed cannot be set', async () => {
    const job = await created()
    for (const field of ['user', 'app', 'jobType', 'status', 'statusCode', 'id', 'spec', 'workspace', 'creationTime'])
      expect(() => Object.assign(job, { [field]: 'x' })).toThrow(TypeError)
  })
})

describe('refresh', () => {
  test('reads the row again, and drops what was not saved', async () => {
    const job = await created()
    const other = await copyOf(job)
    other.name = 'theirs'
    await other.save()
    job.description = 'mine'
    job.extendedProperties.mine = true
    await job.refresh()
    expect([job.name, job.description, job.extendedProperties]).toEqual(['theirs', '', {}])
  })
  test('a property that was read stays as it was until then', async () => {
    const job = await created()
    await shared.set(job, { status_code: 'RUN' })
    expect(job.status).toBe('Pending')
    await job.refresh()
    expect(job.status).toBe('Running')
  })
  test('of a deleted job, and whatever else is asked of it, is not_found', async () => {
    const job = await created()
    const copy = await copyOf(job)
    await copy.delete()
    copy.name = 'x'
    for (const action of [
      'refresh',
      'save',
      'execute',
      'stop',
      'pause',
      'resume',
      'resubmit',
      'delete',
      'logs',
    ] as const)
      await expectRefusal(() => copy[action](), 'not_found', 'id')
    await expectRefusal(() => job.updateStatus('Running'), 'not_found', 'id')
    await expectRefusal(() => job.updateStatus(), 'not_found', 'id')
  })
})

describe('execute', () => {
  test('commits the order: Pending, submitting, active, an attempt with a token and a directory of its own', async () => {
    const job = await (await anApp()).createJob(SCRIPTED)
    await job.execute()
    expect(job.toJSON()).toMatchObject({
      status: 'Pending',
      submitting: true,
      isActive: true,
      attempt: 1,
      order: 'submit',
    })
    expect(job.executeTime).toBeInstanceOf(Date)
    expect(job.runTime).toBeGreaterThanOrEqual(0)
    expect((await copyOf(job)).toJSON()).toEqual({ ...job.toJSON(), runTime: expect.any(Number) })
    const [attempt] = await shared.sql(`SELECT token, workdir FROM telesto_attempts WHERE job_id = ${job.id}`)
    expect(attempt?.token).toMatch(/^t[0-9a-f]{32}$/)
    expect(attempt?.workdir).toBe(`${shared.directory}/jobs/${job.app}/ada/${job.id}/1`)
  })
  test('saves first', async () => {
    const job = await created()
    job.description = 'changed'
    await job.execute()
    expect((await copyOf(job)).description).toBe('changed')
  })
  test.each(['copies of one job', 'one object', 'one that is not saved yet'])(
    'twice at once: exactly one wins, the other gets action_not_allowed (%s)',
    async (which) => {
      const app = await anApp()
      const job = which === 'one that is not saved yet' ? await app.buildJob(SCRIPTED) : await app.createJob(SCRIPTED)
      const second = which === 'copies of one job' ? await copyOf(job) : job
      const outcomes = await Promise.allSettled([job.execute(), second.execute()])
      expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
      const rejected = outcomes.find((outcome) => outcome.status === 'rejected')
      expect(rejected?.reason).toMatchObject({ code: 'action_not_allowed', field: 'action', status: 409 })
      expect(await app.query().count()).toBe(1)
      expect(await shared.count('telesto_attempts', `job_id = ${job.id}`)).toBe(1)
    },
  )
  test('without a scheduler that its type needs is refused, and the job stays Pending', async () => {
    const app = await anApp()
    const job = await app.createJob({ name: 'j', user: 'ada', jobType: 'SCRIPTED' })
    await expectRefusal(() => job.execute(), 'invalid', 'scheduler')
    await job.refresh()
    expect([job.isActive, job.attempt]).toEqual([false, null])
  })
  test('where the setting was taken away meanwhile is refused', async () => {
    const app = await anApp()
    const job = await app.createJob(SCRIPTED)
    await shared.telesto.assignScheduler(app.app, 'compute', null)
    await expectRefusal(() => job.execute(), 'setting_not_assigned', 'scheduler')
    await job.refresh()
    expect(job.attempt).toBeNull()
  })
  test('takes a record that getScheduler gave', async () => {
    const app = await anApp()
    const scheduler = await shared.telesto.getScheduler('pool')
    if (!scheduler) throw new Error('It is there.')
    const job = await app.createJob({ name: 'j', user: 'ada', jobType: 'SCRIPTED', scheduler })
    await job.execute()
    expect([job.scheduler, job.record]).toEqual([null, scheduler.id])
  })
  test('of a job whose status is the app’s makes it Submitted at once', async () => {
    const job = await created()
    await job.execute()
    expect([job.status, job.isActive, job.submitting, job.order]).toEqual(['Submitted', true, false, null])
  })
})

describe('stop', () => {
  test('before hand-over: Aborted at once, and nothing is left to do', async () => {
    const job = await (await anApp()).createJob(SCRIPTED)
    await job.execute()
    await job.stop()
    expect(job.toJSON()).toMatchObject({ status: 'Aborted', order: null, reason: expect.stringContaining('before') })
    expect(job.completionTime).toBeInstanceOf(Date)
    expect(await shared.sql(`SELECT live, order_name FROM telesto_attempts WHERE job_id = ${job.id}`)).toEqual([
      { live: 0, order_name: null },
    ])
  })
  test('after hand-over, also without an answer: an order, the status stays', async () => {
    const job = await (await anApp()).createJob(SCRIPTED)
    await job.execute()
    await shared.setAttempt(job, { handed_over_at: 1, live: 1 })
    await job.stop()
    expect([job.status, job.order, job.isActive]).toEqual(['Pending', 'cancel', true])
    await expectRefusal(() => job.stop(), 'action_not_allowed', 'action')
  })
})

describe('resubmit', () => {
  test('starts a new attempt, and keeps the old one’s history', async () => {
    const job = await accepted('ERR', {
      cause: 'memory',
      reason: 'OOM',
      exit_code: 137,
      progress: 0.9,
      status_message: 'm',
    })
    await shared.setAttempt(job, {
      status_code: 'ERR',
      cause: 'memory',
      reason: 'OOM',
      exit_code: 137,
      completion_time: 5,
    })
    await job.refresh()
    await job.resubmit()
    expect(job.toJSON()).toMatchObject({
      status: 'Pending',
      submitting: true,
      attempt: 2,
      cause: null,
      reason: null,
      exitCode: null,
      progress: null,
      statusMessage: null,
      startTime: null,
      completionTime: null,
      nativeId: null,
    })
    const [first, second, ...more] = await job.attempts()
    expect(first).toMatchObject({
      number: 1,
      status: 'Error',
      cause: 'memory',
      reason: 'OOM',
      exitCode: 137,
      nativeId: `n${job.id}`,
    })
    expect(first?.completionTime).toEqual(new Date(5))
    expect([second?.number, second?.status, more.length]).toEqual([2, null, 0])
    const rows = await shared.sql(
      `SELECT token, workdir FROM telesto_attempts WHERE job_id = ${job.id} ORDER BY number`,
    )
    expect(new Set(rows.map((row) => row.token)).size).toBe(2)
    expect(rows[1]?.workdir).toBe(`${shared.directory}/jobs/${job.app}/ada/${job.id}/2`)
    expect(await shared.count('telesto_strays', `job_id = ${job.id}`)).toBe(0)
  })
  test('orders the old attempt’s cancel where its scheduler did not say that it ended', async () => {
    const job = await accepted('ERR', { cause: 'lost' })
    await shared.setAttempt(job, { ended: 0 })
    await job.resubmit()
    expect(await shared.sql(`SELECT native_id, token FROM telesto_strays WHERE job_id = ${job.id}`)).toEqual([
      { native_id: `n${job.id}`, token: expect.stringMatching(/^t/) },
    ])
  })
  test('of a job whose status is the app’s begins anew', async () => {
    const job = await created()
    await job.updateStatus('Complete')
    await job.resubmit()
    expect([job.status, job.attempt, job.completionTime, job.startTime]).toEqual(['Submitted', 2, null, null])
    expect((await job.attempts()).map(({ status }) => status)).toEqual(['Complete', null])
  })
})

describe('delete', () => {
  test('hides the job at once, from everybody', async () => {
    const app = await anApp()
    const job = await app.createJob(BASIC)
    await job.delete()
    expect(await app.getJob(job.id)).toBeNull()
    expect(await app.query().count()).toBe(0)
  })
  test.each(['SUB', 'RUN', 'VAR', 'PAS', 'OTH'])('of an active job (%s) is refused', async (code) => {
    const job = await accepted(code)
    const error = await expectRefusal(() => job.delete(), 'job_is_active', 'stop')
    expect(error.message).toContain('{ stop: true }')
    expect((await copyOf(job)).order).toBeNull()
  })
  test('of an active job with stop orders its end first', async () => {
    const job = await accepted('RUN')
    await job.delete({ stop: true })
    expect(await shared.telesto.app(job.app).getJob(job.id)).toBeNull()
    expect(await shared.sql(`SELECT order_name FROM telesto_attempts WHERE job_id = ${job.id}`)).toEqual([
      { order_name: 'cancel' },
    ])
  })
  test('of a job that is not handed over yet, with stop, needs no scheduler', async () => {
    const job = await (await anApp()).createJob(SCRIPTED)
    await job.execute()
    await expectRefusal(() => job.delete(), 'job_is_active', 'stop')
    await job.delete({ stop: true })
    expect(await shared.sql(`SELECT order_name FROM telesto_attempts WHERE job_id = ${job.id}`)).toEqual([
      { order_name: 'clean_up' },
    ])
  })
  test('of a parent with waiting children is refused, also with stop', async () => {
    const app = await anApp()
    const parent = await app.createJob(SCRIPTED)
    const child = await app.createJob({ ...SCRIPTED, parents: [parent.id] })
    await child.execute()
    await parent.execute()
    await expectRefusal(() => parent.delete({ stop: true }), 'job_has_children', 'id')
    await parent.refresh()
    expect(parent.order).toBe('submit')
    await child.stop()
    await parent.delete({ stop: true })
  })
})

describe('the status of a job that is the app’s', () => {
  test('any status until a terminal one, then already_settled', async () => {
    for (const last of ['Complete', 'Error', 'Aborted', 'Various-Complete', 'Results-Ready']) {
      const job = await created()
      for (const status of ['Submitted', 'RUN', 'Paused', 'Running', 'Various', 'Other', 'PEN', last])
        await job.updateStatus(status)
      expect(job.status).toBe(last)
      for (const status of ['Running', 'COM', 'Half-way'])
        await expectRefusal(() => job.updateStatus(status), 'already_settled', 'status')
      expect(job.can('updateStatus')).toBe(false)
    }
  })
  test('a text of its own is shown instead of Other, and goes with the next status', async () => {
    const job = await created()
    await job.updateStatus('Half-way')
    expect([job.status, job.statusCode, job.customStatus, job.isActive]).toEqual(['Half-way', 'OTH', 'Half-way', true])
    await job.updateStatus('Running')
    expect([job.status, job.customStatus]).toEqual(['Running', null])
    await job.updateStatus('Other')
    expect([job.status, job.statusCode]).toEqual(['Other', 'OTH'])
  })
  test.each(['constructor', 'toString', '__proto__', 'running', 'RUNNING'])(
    'the text %j is a text of its own',
    async (text) => {
      const job = await created()
      await job.updateStatus(text)
      expect([job.status, job.statusCode]).toEqual([text, 'OTH'])
    },
  )
  test.each(['', 'a\nb', 'x'.repeat(1025), 'a\ud800'])('the text %j is refused', async (text) => {
    const job = await created()
    await expectRefusal(() => job.updateStatus(text), 'invalid', 'status')
    expect((await copyOf(job)).status).toBe('Pending')
  })
  test('has its times: execute, start, completion, and a running time between', async () => {
    const job = await created()
    await job.updateStatus('Submitted')
    expect([job.executeTime, job.startTime, job.completionTime]).toEqual([expect.any(Date), null, null])
    await job.updateStatus('Running')
    expect([job.startTime, job.completionTime]).toEqual([expect.any(Date), null])
    await job.updateStatus('Complete')
    expect(job.runTime).toBe(Number(job.completionTime) - Number(job.startTime))
    expect((await job.attempts())[0]).toMatchObject({ status: 'Complete', startTime: job.startTime })
  })
  test('Complete waits for processResults where the job names a function', async () => {
    const job = await (await anApp()).createJob({ ...BASIC, processResults: 'read' })
    await job.updateStatus('Complete')
    expect([job.status, job.completionTime, job.isActive, job.isSettled]).toEqual(['Results-Ready', null, false, false])
    expect(await shared.count('telesto_attempts', `job_id = ${job.id} AND collect_due_at IS NOT NULL`)).toBe(1)
  })
  test('Pending is not a job that is being submitted', async () => {
    const job = await created()
    await job.updateStatus('Pending')
    expect([job.status, job.submitting, job.isActive]).toEqual(['Pending', false, true])
  })
  test('paused and resumed it is Paused and Running, and has started', async () => {
    const job = await created()
    await job.execute()
    await job.pause()
    expect(job.status).toBe('Paused')
    await job.resume()
    expect([job.status, job.startTime]).toEqual(['Running', expect.any(Date)])
  })
})

describe('the status of a job that a scheduler runs', () => {
  test.each(['Running', 'RUN', 'Complete', 'Other', 'PEN'])('%s is refused', async (status) => {
    const job = await accepted('RUN')
    const error = await expectRefusal(() => job.updateStatus(status), 'status_owned_by_scheduler', 'status')
    expect(error.status).toBe(409)
    expect((await copyOf(job)).status).toBe('Running')
  })
  test('a text of the app’s is a label beside it, at any time', async () => {
    for (const code of ['RUN', 'COM'] as const) {
      const job = await accepted(code)
      const before = job.status
      expect(job.can('updateStatus')).toBe(true)
      await job.updateStatus('Reviewed')
      expect([job.status, job.customStatus]).toEqual([before, 'Reviewed'])
      expect(await shared.count('telesto_events', `job_id = ${job.id} AND kind = 'label'`)).toBe(1)
    }
  })
  test('asking for an earlier poll writes nothing and returns at once where nobody polls', async () => {
    const job = await accepted('COM')
    const version = async () => await shared.sql(`SELECT status_version AS v FROM telesto_jobs WHERE id = ${job.id}`)
    const before = await version()
    await job.updateStatus()
    await job.updateStatus({ wait: 60_000 })
    expect(await version()).toEqual(before)
  })
  test('waiting ends after the wait where nobody answers', async () => {
    const job = await accepted('RUN')
    await shared.set(job, { progress: 0.5 })
    await job.updateStatus({ wait: 60 })
    expect([job.status, job.progress]).toEqual(['Running', 0.5])
  })
  test('runTime counts from the start to the end, or to now', async () => {
    const job = await accepted('COM', { execute_time: 1000, start_time: 5000, completion_time: 9000 })
    expect(job.runTime).toBe(4000)
    await shared.set(job, { start_time: null })
    await job.refresh()
    expect(job.runTime).toBe(8000)
    await shared.set(job, { completion_time: null })
    await job.refresh()
    expect(Math.abs(Number(job.runTime) - (Date.now() - 1000))).toBeLessThan(5000)
    await shared.set(job, { execute_time: null })
    await job.refresh()
    expect(job.runTime).toBeNull()
  })
  test('what happens to a settled job’s columns stays in the history of its attempt', async () => {
    const job = await accepted('VCP', { cause: 'results', reason: 'disk full' })
    await shared.setAttempt(job, { status_code: 'VCP', cause: 'results' })
    await job.refresh()
    await job.collectAgain()
    expect(job.cause).toBeNull()
    expect((await job.attempts())[0]?.cause).toBeNull()
  })
})
