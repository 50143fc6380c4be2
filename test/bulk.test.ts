import { describe, expect, test } from 'vitest'
import type { Core } from '../src/core.js'
import { JobManager } from '../src/job-manager.js'
import type { Transaction } from '../src/store/database.js'
import { type Portal, portal } from './engine/portal.js'
import { expectRefusal } from './fixture.js'

/** The manager of an app, with the statements counted that its transactions make. */
const counting = (core: Core) => {
  const counts = { statements: 0, transactions: 0 }
  const write: Core['database']['write'] = (work, options) => {
    counts.transactions++
    return core.database.write((tx) => {
      const counted: Transaction = {
        all: (sql, params) => {
          counts.statements++
          return tx.all(sql, params)
        },
        run: (sql, params) => {
          counts.statements++
          return tx.run(sql, params)
        },
        now: () => {
          counts.statements++
          return tx.now()
        },
      }
      return work(counted)
    }, options)
  }
  const database = new Proxy(core.database, {
    get: (target, name) => (name === 'write' ? write : Reflect.get(target, name)),
  })
  const app = new JobManager({ ...core, database }, { user: { id: 'ann', isAdmin: true } }, 'flood')
  const during = async (work: () => Promise<unknown>): Promise<{ statements: number; transactions: number }> => {
    counts.statements = 0
    counts.transactions = 0
    await work()
    return { ...counts }
  }
  return { app, during }
}

const many = (one: Portal, count: number) =>
  Array.from({ length: count }, (_, index) => ({
    name: `run ${index}`,
    user: index % 2 === 0 ? 'ann' : 'bob',
    jobType: 'SCRIPTED' as const,
    scheduler: one.scheduler,
    groups: ['hydro'],
    tags: { basin: 'nile' },
  }))

describe('what is done to many jobs', () => {
  test('takes a number of statements that grows with every 500, not with every job', async () => {
    const one = await portal({ start: false })
    const { app, during } = counting(one.core)
    const cost = async (count: number) => {
      const query = app.query().filter({ name: Array.from({ length: count }, (_, index) => `run ${index}`) })
      const { id } = await app.createJob({ name: 'parent', user: 'ann', jobType: 'SCRIPTED', scheduler: one.scheduler })
      const children = many(one, count).map((job) => ({ ...job, name: `child ${job.name}`, parents: [id] }))
      return {
        create: await during(async () => await app.bulkCreate(many(one, count))),
        createChildren: await during(async () => await app.bulkCreate(children)),
        update: await during(async () => await query.update({ description: 'd', tags: { basin: 'blue' } })),
        execute: await during(async () => await query.execute()),
        stop: await during(async () => await query.stop()),
        delete: await during(async () => await query.delete()),
      }
    }
    const of500 = await cost(500)
    const of1500 = await cost(1500)
    for (const [what, { statements, transactions }] of Object.entries(of1500)) {
      expect(transactions, what).toBe(1)
      expect(statements, what).toBeLessThanOrEqual(3 * of500[what as keyof typeof of500].statements)
    }
    for (const [what, { statements }] of Object.entries(of500)) expect(statements, what).toBeLessThanOrEqual(20)
  })

  test('the scheduler that all name is looked at once', async () => {
    const one = await portal({ start: false })
    const reads = async (count: number): Promise<number> => {
      const before = one.counts.reads
      await one.app.bulkCreate(many(one, count))
      return one.counts.reads - before
    }
    expect(await reads(200)).toBe(await reads(2))
  })

  test('execute starts those that were never executed, and answers how many', async () => {
    const one = await portal({ start: false })
    const { app } = counting(one.core)
    const jobs = await app.bulkCreate(many(one, 5))
    await jobs[2]?.execute()
    expect(await app.query().execute()).toBe(4)
    expect(await app.query().execute()).toBe(0)
    one.engine.start()
    await one.pass(1000)
    expect((await app.query()).map((job) => job.status)).toEqual(Array(5).fill('Submitted'))
    expect(one.system.count('submit')).toBe(1)
  })

  test('stop ends what nobody has at once, and orders the end of the rest', async () => {
    const one = await portal()
    const { app } = counting(one.core)
    await app.bulkCreate(many(one, 4))
    await app.query().slice(0, 2).execute()
    await one.pass(1000)
    await app.query().execute()
    expect(await app.query().stop()).toBe(4)
    expect(await app.query().stop()).toBe(0)
    await one.pass(60_000)
    expect((await app.query()).map((job) => job.status)).toEqual(Array(4).fill('Aborted'))
    expect(one.system.callsOf('cancel').map(({ tokens }) => tokens.length)).toEqual([2])
  })

  test('delete with stop ends what is active, and removes all', async () => {
    const one = await portal()
    const { app } = counting(one.core)
    await app.bulkCreate(many(one, 3))
    await app.query().slice(0, 2).execute()
    await one.pass(1000)
    await expectRefusal(async () => await app.query().delete(), 'job_is_active', 'stop')
    expect(await app.query().delete({ stop: true })).toBe(3)
    await one.until(async () => (await one.all('SELECT id FROM telesto_jobs')).length === 0, 5000)
    expect([...one.system.jobs.values()].map(({ report }) => report?.state)).toEqual(['cancelled', 'cancelled'])
  })

  test('execute needs a scheduler for each, or starts none', async () => {
    const one = await portal({ start: false })
    const { app } = counting(one.core)
    await app.bulkCreate(many(one, 3))
    await app.createJob({ name: 'lost', user: 'ann', jobType: 'SCRIPTED' })
    await expectRefusal(async () => await app.query().execute(), 'invalid', 'scheduler')
    expect(await one.all('SELECT id FROM telesto_attempts')).toEqual([])
  })

  test('who asked is in the audit trail of each job', async () => {
    const one = await portal({ start: false })
    const { app } = counting(one.core)
    await app.bulkCreate(many(one, 2))
    await app.query().execute()
    await app.query().stop()
    expect(await one.all('SELECT user_id, action, job_id FROM telesto_audit WHERE job_id > 0 ORDER BY id')).toEqual(
      ['create', 'create', 'execute', 'execute', 'stop', 'stop'].map((action) => ({
        user_id: 'ann',
        action,
        job_id: expect.any(Number),
      })),
    )
  })
})
