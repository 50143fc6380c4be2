import { describe, expect, test } from 'vitest'
import type { Job } from '../src/index.js'
import { expectRefusal, sharedTelesto } from './fixture.js'

const shared = sharedTelesto()
const BASIC = { name: 'a job', user: 'ada', jobType: 'BASIC' } as const
const ada = { id: 'ada' }
const grace = { id: 'grace', isAdmin: true }

/** Without ids and times, which are looked at elsewhere. */
const told = async (job: Job | null) => (await job?.history())?.map(({ id: _, at: __, ...entry }) => entry)
const audit = async (where: string) => {
  const sql = `SELECT user_id, action, app, address, data FROM telesto_audit WHERE ${where} ORDER BY id`
  return (await shared.sql(sql)).map((row) => ({ ...row, data: JSON.parse(String(row.data)) as object }))
}

describe('the history of a job', () => {
  test('tells who did what, each change of status with its reason, and each act once', async () => {
    const { app: name } = await shared.newApp()
    const job = await shared.telesto
      .as(ada)
      .app(name)
      .createJob({ ...BASIC, groups: 'hydro' })
    await job.execute()
    const hers = await shared.telesto.as({ id: 'gus', groups: ['hydro'] }).getJob(job.id)
    await hers?.updateStatus('Running')
    await job.refresh()
    job.description = 'slow'
    await job.save()
    await job.stop()
    await job.resubmit()
    expect(await told(job)).toEqual([
      { kind: 'created', action: 'create', by: 'ada' },
      { kind: 'status', attempt: 1, from: 'Pending', to: 'Submitted' },
      { kind: 'order', attempt: 1, action: 'execute', by: 'ada' },
      { kind: 'status', attempt: 1, action: 'updateStatus', by: 'gus', from: 'Submitted', to: 'Running' },
      { kind: 'edited', action: 'edit', by: 'ada', fields: ['description'] },
      { kind: 'status', attempt: 1, by: 'ada', from: 'Running', to: 'Aborted' },
      { kind: 'order', attempt: 1, action: 'stop', by: 'ada' },
      { kind: 'status', attempt: 2, from: 'Aborted', to: 'Submitted' },
      { kind: 'order', attempt: 2, action: 'resubmit', by: 'ada' },
    ])
    const history = await job.history()
    expect(history.map(({ id }) => id)).toEqual(history.map(({ id }) => id).toSorted((a, b) => a - b))
    for (const { at } of history) expect(Math.abs(at.getTime() - Date.now())).toBeLessThan(60_000)
  })

  test('of an act of the host’s own names the act and nobody', async () => {
    const app = await shared.newApp()
    const job = await app.createJob({ ...BASIC, jobType: 'SCRIPTED', scheduler: 'compute' })
    await job.execute()
    await job.stop()
    expect(await told(job)).toEqual([
      { kind: 'created' },
      { kind: 'order', attempt: 1, action: 'execute' },
      {
        kind: 'status',
        attempt: 1,
        from: 'Pending',
        to: 'Aborted',
        reason: 'Stopped before it was handed to a scheduler.',
      },
      { kind: 'order', attempt: 1, action: 'stop' },
    ])
    expect(await audit(`job_id = ${job.id}`)).toEqual([])
  })

  test('comes in pages, from the beginning or from the end', async () => {
    const app = await shared.newApp()
    const job = await app.createJob(BASIC)
    for (let n = 1; n <= 9; n += 1) {
      job.description = `${n}`
      await job.save()
    }
    const all = await job.history()
    expect(all).toHaveLength(10)
    const first = await job.history({ limit: 4 })
    const rest = await job.history({ after: first.at(-1)?.id ?? 0 })
    expect([...first, ...rest]).toEqual(all)
    expect(await job.history({ last: true, limit: 3 })).toEqual(all.slice(-3))
    expect(await job.history({ after: all.at(-1)?.id ?? 0 })).toEqual([])
    for (const [page, field] of [
      [{ limit: 0 }, 'limit'],
      [{ limit: 1001 }, 'limit'],
      [{ after: -1 }, 'after'],
      [{ after: 0.5 }, 'after'],
    ] as const)
      await expectRefusal(() => job.history(page), 'invalid', field)
  })

  test('tells parts as what somebody told, and an act that changed nothing not a second time', async () => {
    const { app: name } = await shared.newApp()
    const job = await shared.telesto.as(ada).app(name).createJob(BASIC)
    await job.updateStatus('Running')
    await job.updateParts([{ name: 'delta', state: 'running' }])
    await job.updateParts([{ name: 'delta', state: 'running' }])
    expect((await told(job))?.slice(-2)).toEqual([
      expect.objectContaining({ kind: 'status', to: 'Running', by: 'ada' }),
      { kind: 'parts', attempt: 1, action: 'updateStatus', by: 'ada' },
    ])
  })
})

describe('the audit trail', () => {
  test('has what people did to many jobs at once', async () => {
    const app = await shared.newApp()
    const jobs = await shared.telesto
      .as(grace)
      .app(app.app)
      .bulkCreate(
        Array.from({ length: 1200 }, (_, n) => ({ ...BASIC, name: `job ${n}`, user: n % 2 === 0 ? 'ada' : 'bob' })),
      )
    await shared.telesto.as(ada).app(app.app).query().update({ description: 'hers' })
    await shared.telesto.as(grace).app(app.app).query().filter({ user: 'bob' }).delete()
    const count = (by: string, action: string) =>
      shared.count('telesto_audit', `app = '${app.app}' AND user_id = '${by}' AND action = '${action}'`)
    expect([await count('grace', 'create'), await count('ada', 'edit'), await count('grace', 'delete')]).toEqual([
      1200, 600, 600,
    ])
    expect(await told(await app.getJob(jobs[0]?.id ?? 0))).toEqual([
      { kind: 'created', action: 'create', by: 'grace' },
      { kind: 'edited', action: 'edit', by: 'ada', fields: ['description'] },
    ])
    expect(await shared.count('telesto_audit', `app = '${app.app}' AND event_id IS NULL AND job_id > 0`)).toBe(0)
  })

  test('has what was done to records and settings', async () => {
    const app = await shared.newApp()
    const record = await shared.telesto.createScheduler({ name: 'audited', adapter: 'scripted' })
    await shared.telesto.updateScheduler('audited', { maxActiveJobs: 3 })
    await shared.telesto.assignScheduler(app.app, 'spare', 'audited')
    await shared.telesto.assignScheduler(app.app, 'spare', null)
    const host = { user_id: null, address: null }
    expect(await audit(`scheduler_id = ${record.id}`)).toEqual([
      { ...host, action: 'createScheduler', app: null, data: { name: 'audited', adapter: 'scripted', config: {} } },
      { ...host, action: 'updateScheduler', app: null, data: { name: 'audited', maxActiveJobs: 3 } },
      { ...host, action: 'assignScheduler', app: app.app, data: { setting: 'spare', scheduler: 'audited' } },
    ])
    expect(await audit(`app = '${app.app}' AND scheduler_id IS NULL`)).toEqual([
      { ...host, action: 'assignScheduler', app: app.app, data: { setting: 'spare', scheduler: null } },
    ])
  })

  test('keeps nothing of what was refused', async () => {
    const app = await shared.newApp()
    const job = await shared.telesto.as(ada).app(app.app).createJob(BASIC)
    await expectRefusal(() => job.stop(), 'action_not_allowed', 'action')
    await expectRefusal(() => job.resubmit(), 'action_not_allowed', 'action')
    expect(await audit(`job_id = ${job.id}`)).toMatchObject([{ action: 'create' }])
  })
})
