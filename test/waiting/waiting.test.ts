import { getEventListeners } from 'node:events'
import { setImmediate as turnOfTheLoop } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { User } from '../../src/access.js'
import type { Job } from '../../src/job.js'
import { JobManager } from '../../src/job-manager.js'
import type { StatusCode } from '../../src/status.js'
import { readJobRow } from '../../src/store/jobs.js'
import { change } from '../../src/store/transition.js'
import { type Portal, type PortalOptions, portal } from '../engine/portal.js'
import { expectRefusal } from '../fixture.js'

const MINUTE = 60_000

/** A promise that is looked at without being waited for. */
const watched = <T>(promise: Promise<T>) => {
  const seen: { value?: T; error?: unknown; over: boolean } = { over: false }
  promise.then(
    (value) => Object.assign(seen, { value, over: true }),
    (error: unknown) => Object.assign(seen, { error, over: true }),
  )
  return seen
}

/** A portal whose loops rest: jobs settle when the test says so, by another process unless `here`. */
const resting = async (options: PortalOptions = {}) => {
  const p = await portal({ ...options, start: false })
  const settle = async (ids: readonly (number | Job)[], status: StatusCode = 'COM', here = false): Promise<void> => {
    await p.database.write(async (tx) => {
      for (const one of ids) {
        const row = await readJobRow(tx, typeof one === 'number' ? one : one.id)
        if (!row) throw new Error('There is no such job.')
        const completionTime = await tx.now()
        await change(tx, row, completionTime, { job: { status, completionTime } })
      }
    })
    if (here) p.core.committed()
  }
  const many = async (count: number): Promise<number[]> => {
    const options = { jobType: 'SCRIPTED', user: 'ada', scheduler: p.scheduler } as const
    const jobs = await p.app.bulkCreate(Array.from({ length: count }, (_, n) => ({ ...options, name: `job ${n}` })))
    return jobs.map(({ id }) => id)
  }
  return { ...p, settle, many }
}
/** Nothing is left of anybody who waited: the store is asked nothing, however long one looks. */
const expectFree = async (p: Pick<Portal, 'counts' | 'pass'>): Promise<void> => {
  await p.pass(2000)
  const { reads } = p.counts
  await p.pass(10_000)
  expect(p.counts.reads - reads).toBe(0)
}

test('done() resolves with the job itself once its scheduler has ended it and its results are collected', async () => {
  const p = await portal({ limits: { pollSeconds: 10 } })
  const job = await p.accepted()
  const done = watched(job.done())
  await p.pass(MINUTE)
  expect(done.over).toBe(false)
  await p.says(job, { state: 'succeeded' })
  await p.until(() => done.over)
  expect(done.value).toBe(job)
  expect(job.status).toBe('Complete')
})

test.each(['COM', 'ERR', 'ABT', 'VCP'] as const)(
  '%s is settled, Results-Ready and all before it is not',
  async (end) => {
    const p = await resting()
    const job = await p.create()
    const done = watched(job.done())
    for (const status of ['SUB', 'RUN', 'VAR', 'PAS', 'OTH', 'RES'] as const) {
      await p.settle([job], status, true)
      await p.pass(1500)
      expect([status, done.over]).toEqual([status, false])
    }
    await p.settle([job], end, true)
    await p.pass(20, 20)
    expect(done.value?.statusCode).toBe(end)
    const again = watched(job.done({ timeoutMs: 0 }))
    await p.settled()
    expect(again.value).toBe(job)
    await expectFree(p)
  },
)

test('A job that nobody has executed is waited for, and one that another process settles is seen within a second', async () => {
  const p = await resting()
  const job = await p.create()
  const done = watched(job.done())
  await p.pass(5 * MINUTE)
  await p.settle([job])
  await p.pass(500, 500)
  await p.pass(501, 501)
  expect(done.value?.status).toBe('Complete')
})

test('After a resubmit it is the new attempt that is waited for, also while the end of the old one is being read', async () => {
  const p = await resting()
  const job = await p.create()
  await job.execute()
  await p.settle([job], 'ERR')
  const [one, other] = [await p.read(job), await p.read(job)]
  // What was read says Error, and waits to be told, while the job is run again.
  const held = Promise.withResolvers<void>()
  p.faults.afterRead = (sql) => (/^SELECT j.id AS id, j.status_code/.test(sql) ? held.promise : undefined)
  const old = watched(one.done())
  await p.settled()
  delete p.faults.afterRead
  await other.resubmit()
  const second = watched(other.done())
  await p.settled()
  held.resolve()
  await p.pass(3000)
  expect([old.over, second.over]).toEqual([false, false])
  await p.settle([job])
  await p.pass(1001)
  expect([old.value?.status, second.value?.status]).toEqual(['Complete', 'Complete'])
  expect(other.attempt).toBe(2)
  await expectFree(p)
})

test('Who begins to wait while others are told of the end of an old attempt is not told of it', async () => {
  const p = await resting()
  const job = await p.create()
  await job.execute()
  await p.settle([job], 'ERR')
  const old = watched((await p.read(job)).done())
  const other = await p.read(job)
  // The last of the readings, that of the parents, is held back: the rows that go with it are the old ones.
  const held = Promise.withResolvers<void>()
  p.faults.afterRead = (sql) => (sql.includes('telesto_parents') ? held.promise : undefined)
  await p.settled()
  delete p.faults.afterRead
  await other.resubmit()
  const second = watched(other.done())
  await p.settled()
  held.resolve()
  await p.pass(3000)
  expect([old.over, second.over]).toEqual([true, false])
  await p.settle([job])
  await p.pass(1001)
  expect([old.value?.status, second.value?.status]).toEqual(['Error', 'Complete'])
  await expectFree(p)
})

test('What settles right before the subscription, or between it and the first look, is not lost', async () => {
  const p = await resting()
  const [before, after] = [await p.create(), await p.create()]
  const { subscribe } = p.feed
  Object.assign(p.feed, {
    subscribe: async (...args: Parameters<typeof subscribe>) => {
      await p.settle([before])
      const subscription = await subscribe(...args)
      await p.settle([after])
      return subscription
    },
  })
  const waits = [watched(before.done()), watched(after.done())]
  await p.until(() => waits.every(({ over }) => over))
  expect(waits.map(({ value }) => value?.status)).toEqual(['Complete', 'Complete'])
})

test('timeout: how long, and the status now; with 0 what is so now', async () => {
  const p = await resting()
  const job = await p.create()
  await p.settle([job], 'RUN')
  const late = watched(job.done({ timeoutMs: 5000 }))
  await p.pass(4000)
  expect(late.over).toBe(false)
  await p.pass(1001)
  expect(late.error).toMatchObject({
    code: 'timeout',
    field: 'timeoutMs',
    status: 504,
    message: `Job ${job.id} is still Running after 5000 ms.`,
  })
  await expectRefusal(async () => await job.done({ timeoutMs: 0 }), 'timeout', 'timeoutMs')
  await expectFree(p)
})

test('A signal ends the waiting with its reason, before it begins and while it lasts, and frees everything', async () => {
  const p = await resting()
  const job = await p.create()
  const reason = new Error('the browser has gone')
  await expect(job.done({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  const { reads } = p.counts
  await p.pass(3000)
  expect(p.counts.reads).toBe(reads)

  const controller = new AbortController()
  const waits = [
    watched(job.done({ signal: controller.signal })),
    watched(p.app.wait([job], { signal: controller.signal })),
    watched(p.app.asCompleted([job], { signal: controller.signal }).next()),
  ]
  await p.pass(3000)
  expect(waits.map(({ over }) => over)).toEqual([false, false, false])
  controller.abort(reason)
  await p.settled()
  expect(waits.map(({ error }) => error)).toEqual([reason, reason, reason])
  expect(getEventListeners(controller.signal, 'abort')).toEqual([])
  await expectFree(p)
})

test('A signal that aborts while one subscribes ends the waiting too', async () => {
  const p = await resting()
  const job = await p.create()
  const controller = new AbortController()
  const waits = [job.done({ signal: controller.signal }), job.done()].map(watched)
  controller.abort(new Error('gone'))
  await p.settled()
  expect(waits.map(({ over }) => over)).toEqual([true, false])
  await p.settle([job])
  await p.pass(1001)
  expect(waits[1]?.value?.status).toBe('Complete')
  await expectFree(p)
})

test('A job that is deleted is not_found, to whoever waits for it and to whoever begins to', async () => {
  const p = await resting()
  const job = await p.create()
  const same = (await p.app.getJob(job.id)) as Job
  const done = watched(job.done())
  await p.pass(1000)
  await same.delete()
  await p.pass(20, 20)
  expect(done.error).toMatchObject({ code: 'not_found', message: `There is no job ${job.id}.` })
  await expectRefusal(async () => await same.done(), 'not_found', 'id')
  await expectRefusal(async () => await p.app.wait([same]), 'not_found', 'jobs')
  await expectFree(p)
})

test('A job that one may not see is not_found, and so it is when one may see it no more', async () => {
  const p = await resting()
  const [ada, bob]: User[] = [{ id: 'ada' }, { id: 'bob' }]
  const [forAda, forBob] = [ada, bob].map((user) => new JobManager(p.core, user && { user }, 'flood'))
  const job = await p.create({ groups: ['hydro'] })
  const hers = (await forAda?.getJob(job.id)) as Job
  await expectRefusal(async () => await forBob?.wait([job.id]), 'not_found', 'jobs')
  await expectRefusal(async () => await forBob?.wait([hers]), 'not_found', 'jobs')
  await expectRefusal(async () => await forBob?.asCompleted([job.id]).next(), 'not_found', 'jobs')
  const member = { id: 'gus', groups: ['hydro'] }
  const his = (await new JobManager(p.core, { user: member }, 'flood').getJob(job.id)) as Job
  const waits = [watched(hers.done()), watched(his.done())]
  await p.pass(1000)
  job.groups = []
  await job.save()
  await p.settle([job])
  await p.pass(1001)
  expect(waits[0]?.value?.status).toBe('Complete')
  expect(waits[1]?.error).toMatchObject({ code: 'not_found' })
})

test('A job that was never saved cannot be waited for', async () => {
  const p = await resting()
  const job = await p.app.buildJob({ jobType: 'SCRIPTED', name: 'new', user: 'ada', scheduler: p.scheduler })
  await expectRefusal(async () => await job.done(), 'job_not_saved', 'id')
  await expectRefusal(async () => await p.app.wait([job]), 'job_not_saved', 'id')
})

test.each([
  [{ timeoutMs: -1 }, 'invalid', 'timeoutMs'],
  [{ timeoutMs: Number.NaN }, 'invalid', 'timeoutMs'],
  [{ timeoutMs: Number.POSITIVE_INFINITY }, 'invalid', 'timeoutMs'],
  [{ timeoutMs: 2 ** 31 }, 'invalid', 'timeoutMs'],
  [{ signal: {} }, 'invalid', 'signal'],
  [{ timeout: 5 }, 'unknown_field', 'timeout'],
])('refused options: %j', async (options, code, field) => {
  const p = await resting()
  const job = await p.create()
  const wrong = options as object
  await expectRefusal(async () => await job.done(wrong), code, field)
  await expectRefusal(async () => await job.result(wrong), code, field)
  await expectRefusal(async () => await p.app.wait([job], wrong), code, field)
  await expectRefusal(() => p.app.asCompleted([job], wrong), code, field)
})

test('refused: what is no list of jobs, and no way to return', async () => {
  const p = await resting()
  const job = await p.create()
  await expectRefusal(async () => await p.app.wait(job as unknown as Job[]), 'invalid', 'jobs')
  await expectRefusal(async () => await p.app.wait([job, 'x' as unknown as Job]), 'invalid', 'jobs.1')
  await expectRefusal(async () => await p.app.wait([4711]), 'not_found', 'jobs')
  const when = { returnWhen: 'SOMETIMES' as 'ALL_COMPLETED' }
  await expectRefusal(async () => await p.app.wait([job], when), 'invalid', 'returnWhen')
  expect(await p.app.wait([])).toEqual({ done: [], notDone: [], gone: [] })
})

test('a job of another app is not_found, also while it runs', async () => {
  const p = await resting({ apps: ['flood', 'drought'] })
  const job = await p.create()
  const others = new JobManager(p.core, undefined, 'drought')
  await expectRefusal(async () => await others.wait([job.id]), 'not_found', 'jobs')
})

test('result() gives the value of the attempt that completed; null where it told none', async () => {
  const p = await resting()
  const job = await p.create()
  await job.execute()
  const waiting = watched(job.result())
  await p.run(`UPDATE telesto_attempts SET result = '{"peak":[1,2.5]}' WHERE job_id = ${job.id}`)
  await p.settle([job])
  await p.pass(1001)
  expect(waiting.value).toEqual({ peak: [1, 2.5] })
  const told = await p.create()
  await told.execute()
  await p.settle([told])
  expect(await told.result()).toBeNull()
  const never = await p.create()
  await expectRefusal(async () => await never.result({ timeoutMs: 0 }), 'timeout', 'timeoutMs')
})

test('result() of a job that did not complete is job_failed, and says how it ended', async () => {
  const p = await resting()
  for (const [status, columns, how] of [
    [
      'ERR',
      "cause = 'walltime', exit_code = 143, reason = 'Too slow.'",
      'Error, cause walltime, exit code 143. Too slow.',
    ],
    ['ABT', 'reason = NULL', 'Aborted.'],
    ['VCP', 'exit_code = 2', 'Various-Complete, exit code 2.'],
  ] as const) {
    const job = await p.create()
    await p.settle([job], status)
    await p.run(`UPDATE telesto_jobs SET ${columns} WHERE id = ${job.id}`)
    const error = await expectRefusal(async () => await job.result(), 'job_failed', undefined)
    expect(error.message).toBe(`Job ${job.id} (${job.name}) did not complete: ${how}`)
  }
})

test('wait() resolves when all have settled, with the jobs that were given, in their order', async () => {
  const p = await resting()
  const [a, b, c] = [await p.create(), await p.create(), await p.create()]
  const waiting = watched(p.app.wait([c, a, b.id, a]))
  await p.pass(1000)
  await p.settle([b, a])
  await p.pass(2000)
  expect(waiting.over).toBe(false)
  await p.settle([c], 'ERR')
  await p.pass(1001)
  const { done, notDone, gone } = waiting.value ?? { done: [] }
  expect(done.map(({ id }) => id)).toEqual([c.id, a.id, b.id])
  expect([done[0] === c, done[1] === a, done[2]?.status]).toEqual([true, true, 'Complete'])
  expect([a.status, c.status, notDone, gone]).toEqual(['Complete', 'Error', [], []])
  await expectFree(p)
})

test('wait() resolves at the end of its time with what is done and what is not, each as it is then', async () => {
  const p = await resting()
  const [a, b] = [await p.create(), await p.create()]
  await p.settle([a], 'RUN')
  await p.settle([b])
  expect(await p.app.wait([a, b], { timeoutMs: 0 })).toEqual({ done: [b], notDone: [a], gone: [] })
  expect([a.status, b.status]).toEqual(['Running', 'Complete'])
  const waiting = watched(p.app.wait(p.app.query().orderBy('-id'), { timeoutMs: 3000 }))
  await p.pass(3001)
  expect(waiting.value?.done.map(({ id }) => id)).toEqual([b.id])
  expect(waiting.value?.notDone.map(({ id }) => id)).toEqual([a.id])
  await expectFree(p)
})

test('FIRST_COMPLETED resolves with the first that settles, however it does', async () => {
  const p = await resting()
  const [a, b] = [await p.create(), await p.create()]
  const waiting = watched(p.app.wait([a, b], { returnWhen: 'FIRST_COMPLETED' }))
  await p.pass(2000)
  expect(waiting.over).toBe(false)
  await p.settle([b], 'ABT')
  await p.pass(1001)
  expect(waiting.value).toEqual({ done: [b], notDone: [a], gone: [] })
  await expectFree(p)
})

test('FIRST_EXCEPTION resolves with the first that fails, and with all where none does', async () => {
  const p = await resting()
  const jobs = [await p.create(), await p.create(), await p.create()] as const
  const failing = watched(p.app.wait(jobs, { returnWhen: 'FIRST_EXCEPTION' }))
  const fine = watched(p.app.wait([jobs[0], jobs[2]], { returnWhen: 'FIRST_EXCEPTION' }))
  await p.pass(1000)
  await p.settle([jobs[0]])
  await p.pass(1001)
  expect([failing.over, fine.over]).toEqual([false, false])
  await p.settle([jobs[1]], 'ERR')
  await p.pass(1001)
  expect(failing.value).toEqual({ done: [jobs[0], jobs[1]], notDone: [jobs[2]], gone: [] })
  expect(fine.over).toBe(false)
  await p.settle([jobs[2]])
  await p.pass(1001)
  expect(fine.value?.done).toHaveLength(2)
})

test('What is deleted meanwhile is told by wait(), and by asCompleted() after all the others', async () => {
  const p = await resting()
  const [a, b] = [await p.create(), await p.create()]
  const waiting = watched(p.app.wait([a, b]))
  const first = watched(p.app.wait([a.id], { returnWhen: 'FIRST_COMPLETED' }))
  const iterator = p.app.asCompleted([a, b])
  const next = watched(iterator.next())
  await p.pass(1000)
  await (await p.read(a)).delete()
  await p.pass(1001)
  expect(first.value).toEqual({ done: [], notDone: [], gone: [a.id] })
  expect([waiting.over, next.over]).toEqual([false, false])
  await p.settle([b])
  await p.pass(1001)
  expect(waiting.value).toEqual({ done: [b], notDone: [], gone: [a.id] })
  expect(next.value).toEqual({ value: b, done: false })
  const error = await expectRefusal(async () => await iterator.next(), 'not_found', 'jobs')
  expect(error.message).toContain(String(a.id))
})

test('asCompleted() gives each job once, in the order in which they settle, those that have settled first', async () => {
  const p = await resting()
  const ids = await p.many(6)
  const [a, b, c, d, e, f] = ids as [number, number, number, number, number, number]
  for (const id of [d, b]) {
    await p.settle([id])
    await p.pass(10, 10)
  }
  const seen: string[] = []
  const iteration = watched(
    (async () => {
      for await (const job of p.app.asCompleted([a, b, c, d, e, f, a])) seen.push(`${job.id} ${job.status}`)
    })(),
  )
  await p.pass(1000)
  expect(seen).toEqual([`${d} Complete`, `${b} Complete`])
  await p.settle([e], 'ERR')
  await p.pass(2)
  await p.settle([a])
  await p.pass(1001)
  await p.settle([f, c], 'COM', true)
  await p.pass(20, 20)
  expect(seen.slice(2)).toEqual([`${e} Error`, `${a} Complete`, `${f} Complete`, `${c} Complete`])
  expect(iteration.over).toBe(true)
  await expectFree(p)
})

test('asCompleted() throws at the end of its time what wait() only tells; who leaves it early frees everything', async () => {
  const p = await resting()
  const [a, b] = [await p.create(), await p.create()]
  await p.settle([a])
  const timely = watched(
    (async () => {
      const seen: Job[] = []
      try {
        for await (const job of p.app.asCompleted([a, b], { timeoutMs: 2000 })) seen.push(job)
      } catch (error) {
        return [seen, error] as const
      }
      return undefined
    })(),
  )
  await p.pass(2001)
  expect(timely.value?.[0]).toEqual([a])
  expect(timely.value?.[1]).toMatchObject({ code: 'timeout', field: 'timeoutMs' })
  for await (const job of p.app.asCompleted([a, b])) {
    expect(job).toBe(a)
    break
  }
  await expectFree(p)
})

test('2,000 jobs that are waited for in every way cost a few statements for each batch of news, and none while nothing happens', async () => {
  const p = await resting()
  const ids = await p.many(2000)
  const jobs = await p.app.query()
  const cost = async (work: () => Promise<unknown>): Promise<number> => {
    const { reads } = p.counts
    await work()
    return p.counts.reads - reads
  }
  const waits: { readonly over: boolean }[] = []
  const begun = await cost(async () => {
    waits.push(...jobs.map((job) => watched(job.done())))
    waits.push(watched(p.app.wait(ids)), watched(p.app.wait(p.app.query())))
    await p.settled()
  })
  expect(begun).toBeLessThan(40)
  // Once a second the feed looks for events: two statements, whoever waits.
  expect(await cost(async () => await p.pass(10_000))).toBeLessThanOrEqual(2 * 11)
  const quarter = await cost(async () => {
    await p.settle(ids.slice(0, 500), 'COM', true)
    await p.pass(20, 20)
  })
  expect(quarter).toBeLessThan(20)
  expect(waits.filter(({ over }) => over)).toHaveLength(500)
  const rest = await cost(async () => {
    await p.settle(ids.slice(500), 'COM')
    await p.pass(2000, 500)
  })
  expect(rest).toBeLessThan(40)
  expect(waits.filter(({ over }) => over)).toHaveLength(2002)
  await expectFree(p)
})

test('close() refuses everybody who waits with closed, and whoever comes later', async () => {
  const p = await portal({ limits: { pollSeconds: 10 } })
  const job = await p.accepted()
  const waits = [
    watched(job.done()),
    watched(job.result({ timeoutMs: MINUTE })),
    watched(p.app.wait([job])),
    watched(p.app.asCompleted([job]).next()),
    watched(job.updateStatus({ wait: MINUTE })),
  ]
  await p.settled()
  await p.close()
  await turnOfTheLoop()
  for (const { error } of waits) expect(error).toMatchObject({ code: 'closed', status: 503 })
  await expectRefusal(async () => await job.done(), 'closed', undefined)
})

test('A store that cannot be read refuses who has just asked; who waits is answered when it can be', async () => {
  const p = await resting()
  const job = await p.create()
  p.faults.nextRead = new Error('unreadable')
  await expect(job.done()).rejects.toThrow('unreadable')
  const waiting = watched(job.done())
  await p.pass(1000)
  await p.settle([job], 'COM', true)
  const said = p.lines.length
  // The feed reads the events, and then the rows cannot be read.
  p.clock.advance(15)
  await turnOfTheLoop()
  p.faults.nextRead = new Error('unreadable')
  await p.settled()
  await p.pass(3000)
  expect(p.lines.slice(said).map(({ level }) => level)).toContain('warn')
  expect(waiting.value?.status).toBe('Complete')
  await expectFree(p)
})

test('updateStatus() tells the status and its age, and whether it was asked again', async () => {
  const p = await portal({ limits: { pollSeconds: 10 } })
  const job = await p.accepted()
  await p.pass(2 * MINUTE)
  await p.says(job, { state: 'running' })
  const answer = watched(job.updateStatus({ wait: MINUTE }))
  await p.until(() => answer.over)
  expect(answer.value).toEqual({ status: 'Running', answered: true, ageMs: expect.any(Number) })
  expect(answer.value?.ageMs).toBeLessThan(1000)

  p.system.script.status = () => Promise.reject(new Error('down'))
  await p.pass(MINUTE)
  const stale = watched(job.updateStatus({ wait: 5000 }))
  await p.pass(5001)
  expect(stale.value).toEqual({ status: 'Running', answered: false, ageMs: expect.any(Number) })
  expect(stale.value?.ageMs).toBeGreaterThan(50_000)
  expect(await job.updateStatus()).toMatchObject({ status: 'Running', answered: false })
  expect(await (await p.create()).updateStatus({ wait: MINUTE })).toEqual({
    status: 'Pending',
    answered: false,
    ageMs: null,
  })
  await expectRefusal(async () => await job.updateStatus({ wait: -1 }), 'invalid', 'wait')
})

test('updateStatus({ wait }) hears of the polls of another process, by one question a second for all who wait', async () => {
  const p = await resting()
  const jobs = [await p.create(), await p.create(), await p.create()]
  for (const job of jobs) await job.execute()
  await p.pass(1000)
  const before = p.counts.reads
  const waits = jobs.map((job) => watched(job.updateStatus({ wait: MINUTE })))
  await p.settled()
  const asked = p.counts.reads
  await p.pass(10_000)
  expect(asked - before).toBeLessThan(10)
  expect(p.counts.reads - asked).toBe(10)
  const ago = await p.database.readNow()
  await p.run(`UPDATE telesto_schedulers SET last_asked_at = ${ago - MINUTE}, last_answered_at = ${ago}`)
  await p.pass(1001)
  expect(waits.map(({ over }) => over)).toEqual([false, false, false])
  await p.run(`UPDATE telesto_schedulers SET last_asked_at = ${ago}, last_answered_at = ${ago}`)
  await p.pass(1001)
  for (const { value } of waits) expect(value).toMatchObject({ status: 'Pending', answered: true })
  await expectFree(p)
})
