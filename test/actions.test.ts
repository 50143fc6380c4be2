import { describe, expect, test } from 'vitest'
import type { Job } from '../src/index.js'
import type { StatusCode } from '../src/status.js'
import { CODES, refusal, sharedTelesto } from './fixture.js'

const shared = sharedTelesto()

const DO = {
  execute: (job: Job) => job.execute(),
  stop: (job: Job) => job.stop(),
  pause: (job: Job) => job.pause(),
  resume: (job: Job) => job.resume(),
  resubmit: (job: Job) => job.resubmit(),
  collect: (job: Job) => job.collectAgain(),
  delete: (job: Job) => job.delete(),
} as const
type Name = keyof typeof DO

// x: allowed. "held" is a job of which some parts are. NEW is Pending before execute(); "results" an Error or Various-Complete whose results could not be collected.
const TABLE = `
status         | execute stop pause resume resubmit collect delete
NEW            | x       .    .     .      .        .       x
PEN            | .       x    .     .      .        .       .
SUB            | .       x    x     .      .        .       .
RUN            | .       x    x     .      .        .       .
VAR            | .       x    x     .      .        .       .
VAR held       | .       x    x     x      .        .       .
PAS            | .       x    .     x      .        .       .
OTH            | .       x    .     .      .        .       .
RES            | .       .    .     .      .        .       x
COM            | .       .    .     .      x        .       x
ERR            | .       .    .     .      x        .       x
ABT            | .       .    .     .      x        .       x
VCP            | .       .    .     .      x        .       x
ERR results    | .       .    .     .      x        x       x
VCP results    | .       .    .     .      x        x       x
RUN stopping   | .       .    .     .      .        .       .
PAS stopping   | .       .    .     .      .        .       .
RUN holding    | .       x    .     .      .        .       .
PAS releasing  | .       x    .     .      .        .       .
PEN uncertain  | .       x    .     .      x        .       .
`
const [head = '', ...rows] = TABLE.trim().split('\n')
const actions = (head.split('|')[1] ?? '').trim().split(/\s+/) as Name[]
const pairs = rows.flatMap((row) => {
  const [standing = '', cells = ''] = row.split('|').map((cell) => cell.trim())
  return cells.split(/\s+/).map((cell, index) => [standing, actions[index] as Name, cell === 'x'] as const)
})

const ORDER = { stopping: 'cancel', holding: 'hold', releasing: 'release', uncertain: 'submit' } as const

/** A job of a scheduler (or of the app) that stands so. */
const standing = async (text: string, jobType: 'SCRIPTED' | 'BASIC'): Promise<Job> => {
  const [status = '', more] = text.split(' ') as [StatusCode | 'NEW', (keyof typeof ORDER | 'results' | 'held')?]
  const app = await shared.newApp()
  const options = { name: text, user: 'ada' }
  const job =
    jobType === 'BASIC'
      ? await app.createJob({ ...options, jobType })
      : await app.createJob({ ...options, jobType, scheduler: 'compute' })
  if (status === 'NEW') return job
  await job.execute()
  const settled = ['COM', 'ERR', 'ABT', 'VCP', 'RES'].includes(status)
  await shared.set(job, { status_code: status, cause: more === 'results' ? 'results' : null })
  await shared.setAttempt(job, {
    native_id: status === 'PEN' || jobType === 'BASIC' ? null : `n${job.id}`,
    handed_over_at: status === 'PEN' || jobType === 'BASIC' ? null : 1,
    live: settled ? 0 : 1,
    ended: settled ? 1 : 0,
    order_name: status === 'PEN' && jobType === 'SCRIPTED' ? 'submit' : null,
  })
  if (more === 'held') await shared.set(job, { part_states: '{"succeeded":1,"held":2}' })
  else if (more !== undefined && more !== 'results') await shared.setAttempt(job, { order_name: ORDER[more] })
  if (more === 'uncertain') {
    const order_error = 'submission uncertain: the scheduler may or may not have the job.'
    await shared.setAttempt(job, { handed_over_at: 1, order_error })
  }
  await job.refresh()
  return job
}

describe('which status allows which action', () => {
  test('the table has every status and every action', () => {
    const statuses = new Set(pairs.map(([text]) => text.split(' ')[0]))
    expect([...statuses].sort()).toEqual([...CODES, 'NEW'].sort())
    expect([...actions].sort()).toEqual(Object.keys(DO).sort())
  })

  const orders = ['stopping', 'holding', 'releasing', 'uncertain']
  const appOwned = pairs.filter(([text]) => !orders.includes(text.split(' ')[1] ?? ''))
  const cases = [
    ...pairs.map((pair) => ['SCRIPTED', ...pair] as const),
    ...appOwned.map((pair) => ['BASIC', ...pair] as const),
  ]
  test.each(cases)('%s, %s: %s, allowed: %s', async (jobType, text, action, allowed) => {
    const job = await standing(text, jobType)
    const stored = () => ({ ...job.toJSON(), runTime: undefined })
    const before = stored()
    expect(job.can(action)).toBe(allowed)
    if (allowed) {
      await DO[action](job)
      expect(
        await shared.count('telesto_events', `job_id = ${job.id} AND kind IN ('order', 'deleted')`),
      ).toBeGreaterThan(0)
      return
    }
    const error = await refusal(() => DO[action](job))
    expect(error.status).toBe(409)
    expect(error.code).toBe(action === 'delete' ? 'job_is_active' : 'action_not_allowed')
    expect(error.message).toContain(`Job ${job.id} is `)
    await job.refresh()
    expect(stored()).toEqual(before)
  })
})

describe('what an action asks of the engine', () => {
  test.each([
    ['stop', 'RUN', 'cancel'],
    ['pause', 'RUN', 'hold'],
    ['resume', 'PAS', 'release'],
  ] as const)('%s of %s is the order %s; the status is the scheduler’s', async (action, status, order) => {
    const job = await standing(status, 'SCRIPTED')
    await DO[action](job)
    expect([job.statusCode, job.order]).toEqual([status, order])
    const [event] = await shared.sql(
      `SELECT data FROM telesto_events WHERE job_id = ${job.id} AND kind = 'order' ORDER BY id DESC`,
    )
    expect(JSON.parse(String(event?.data))).toEqual({ order })
  })
  test('collectAgain makes an Error Results-Ready again, and leaves Various-Complete as it is', async () => {
    for (const [text, expected] of [
      ['ERR results', 'RES'],
      ['VCP results', 'VCP'],
    ] as const) {
      const job = await standing(text, 'SCRIPTED')
      await job.collectAgain()
      expect([job.statusCode, job.cause]).toEqual([expected, null])
      expect(await shared.count('telesto_attempts', `job_id = ${job.id} AND collect_due_at IS NOT NULL`)).toBe(1)
    }
  })
  test('each is written down with who asked', async () => {
    const ada = { id: 'ada' }
    const job = await standing('RUN', 'SCRIPTED')
    const hers = await shared.telesto.as(ada).getJob(job.id)
    await hers?.pause()
    await hers?.stop()
    await hers?.updateStatus('Watched')
    expect(
      await shared.sql(`SELECT user_id, action, app FROM telesto_audit WHERE job_id = ${job.id} ORDER BY id`),
    ).toEqual(['pause', 'stop', 'updateStatus'].map((action) => ({ user_id: 'ada', action, app: job.app })))
    const events = await shared.sql(
      `SELECT data FROM telesto_events WHERE job_id = ${job.id} AND kind IN ('order', 'label') ORDER BY id`,
    )
    expect(events.slice(1).map((event) => JSON.parse(String(event.data)).by)).toEqual(['ada', 'ada', 'ada'])
  })
})
