import path from 'node:path'
import { expect, test } from 'vitest'
import { SchedulerError } from '../../src/adapter.js'
import type { ResultsContext } from '../../src/engine/collect.js'
import type { Job } from '../../src/job.js'
import type { ProcessResults } from '../../src/processing.js'
import { ManualClock } from './manual-clock.js'
import { freshDirectory, type Portal, type PortalOptions, portal } from './portal.js'
import { held, scriptedSystem } from './scripted-adapter.js'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

/** A job that has just succeeded, and whose results the function `read` processes. */
const succeeded = async (read: ProcessResults, options: PortalOptions = {}): Promise<{ p: Portal; job: Job }> => {
  const p = await portal({ processResults: { read }, limits: { pollSeconds: 5 }, ...options })
  const job = await p.accepted({ processResults: 'read', extendedProperties: { old: 1 } })
  await p.says(job, { state: 'succeeded', exitCode: 0 })
  return { p, job }
}

test('Results are fetched into the directory of the attempt, then processed; what the function sets commits with Complete', async () => {
  const seen: unknown[] = []
  let fetchedInto: unknown
  const { p, job } = await succeeded(
    async (of, { directory, idempotencyKey, signal }) => {
      seen.push({ directory, idempotencyKey, aborted: signal.aborted, status: of.status })
      of.extendedProperties.year = 1898
      of.statusMessage = 'done'
      of.progress = 1
      of.tags = { basin: 'nile' }
      // Nothing of it is visible before Complete is.
      expect(await p.read(job)).toMatchObject({ status: 'Results-Ready', extendedProperties: { old: 1 } })
    },
    { script: { has: ['recover', 'fetch'] } },
  )
  p.system.script.fetch = async (ref, into) => {
    expect(seen).toEqual([])
    fetchedInto = [ref.token, into]
    return [path.join(into, 'out.json'), 'relative.csv']
  }
  await p.until(async () => (await p.status(job)) === 'Complete')
  const done = await p.read(job)
  const { token, workdir } = await p.row(job)
  expect(fetchedInto).toEqual([token, workdir])
  expect(seen).toEqual([{ directory: workdir, idempotencyKey: token, aborted: false, status: 'Results-Ready' }])
  expect(done).toMatchObject({
    status: 'Complete',
    statusMessage: 'done',
    progress: 1,
    tags: { basin: 'nile' },
    extendedProperties: { old: 1, year: 1898 },
  })
  expect(done.completionTime).toBeInstanceOf(Date)
  expect(await p.one('SELECT status_code, collect_due_at, collect_owner FROM telesto_attempts')).toEqual({
    status_code: 'COM',
    collect_due_at: null,
    collect_owner: null,
  })
})

test('A function that throws sets nothing, and is tried again with the same key', async () => {
  const keys: string[] = []
  const { p, job } = await succeeded(async (of, { idempotencyKey }) => {
    keys.push(idempotencyKey)
    of.extendedProperties.half = keys.length
    of.tags = { half: 'done' }
    if (keys.length < 3) throw new Error('the disk is slow')
  })
  await p.pass(15_000)
  expect(await p.read(job)).toMatchObject({ status: 'Results-Ready', extendedProperties: { old: 1 }, tags: {} })
  expect((await p.row(job)).collectError).toBe('The results could not be collected: the disk is slow')
  await p.pass(MINUTE)
  expect(await p.read(job)).toMatchObject({ status: 'Complete', extendedProperties: { old: 1, half: 3 } })
  expect(keys).toHaveLength(3)
  expect(new Set(keys).size).toBe(1)
  expect((await p.row(job)).collectError).toBeNull()
})

test('Ten tries over about an hour, then Error, cause "results"; collectAgain starts over', async () => {
  const times: number[] = []
  let works = false
  const { p, job } = await succeeded(() => {
    times.push(p.clock.monotonic())
    if (!works) throw new Error('no such file: out.json')
  })
  await p.pass(100 * MINUTE, 7500)
  expect(times).toHaveLength(10)
  const span = (times.at(-1) as number) - (times[0] as number)
  expect(span).toBeGreaterThan(50 * MINUTE)
  expect(span).toBeLessThan(75 * MINUTE)
  expect(await p.read(job)).toMatchObject({
    status: 'Error',
    cause: 'results',
    reason: 'The results could not be collected: no such file: out.json',
  })
  works = true
  await (await p.read(job)).collectAgain()
  await p.pass(5000)
  expect(await p.read(job)).toMatchObject({ status: 'Complete', cause: null, reason: null })
  expect(times).toHaveLength(11)
  const calls = p.system.count('submit')
  expect(calls).toBe(1)
})

test('A fetch that fails, hangs or writes outside the directory is a failed try', async () => {
  const { p, job } = await succeeded(() => {}, { script: { has: ['recover', 'fetch'] } })
  const errors: unknown[] = []
  const outcomes: (() => unknown)[] = [
    () => Promise.reject(new SchedulerError('unavailable', 'NFS lags')),
    () => new Promise(() => {}),
    async () => ['../../../etc/passwd'],
    async () => 'all of it',
    async () => [],
  ]
  p.system.script.fetch = () => outcomes.shift()?.()
  for (let tries = 0; outcomes.length > 0 && tries < 200; tries++) {
    await p.pass(2000, 2000)
    const { collectError } = await p.row(job)
    if (collectError !== null && errors.at(-1) !== collectError) errors.push(collectError)
  }
  await p.pass(2000)
  expect(errors).toEqual([
    'The results could not be collected: NFS lags',
    'The results could not be collected: No answer within 120 s.',
    "The results could not be collected: The adapter wrote outside the job's directory: ../../../etc/passwd",
    "The results could not be collected: The adapter wrote outside the job's directory: no list of paths",
  ])
  expect(await p.status(job)).toBe('Complete')
})

test('An outage is no failed try: while its scheduler cannot be asked, a job keeps its results for as long as it takes', async () => {
  const { p, job } = await succeeded(() => {}, { script: { has: ['recover', 'fetch', 'ping'] } })
  const away = () => Promise.reject(new SchedulerError('unavailable', 'no route to host'))
  Object.assign(p.system.script, { fetch: away, ping: away })
  await p.pass(30 * HOUR, 60_000)
  expect(await p.read(job)).toMatchObject({
    status: 'Results-Ready',
    waitingFor:
      'The results cannot be collected yet: no route to host. This is tried again until its scheduler answers.',
  })
  const tries = p.system.count('fetch')
  expect(tries).toBeGreaterThan(20)
  expect(tries).toBeLessThan(170)
  p.system.script.ping = async () => ({})
  p.system.script.fetch = async () => {
    throw new SchedulerError('unavailable', 'out.json cannot be read')
  }
  const failed = 'The results could not be collected: out.json cannot be read'
  await p.until(async () => (await p.read(job)).waitingFor === failed, 5000)
  delete p.system.script.fetch
  await p.until(async () => (await p.status(job)) === 'Complete', 5000)
})

test('A link that was lost for a moment costs a job some seconds', async () => {
  const { p, job } = await succeeded(() => {}, { script: { has: ['recover', 'fetch', 'ping'] } })
  const away = () => Promise.reject(new SchedulerError('unavailable', 'The connection was lost.'))
  Object.assign(p.system.script, { fetch: away, ping: away })
  await p.until(async () => p.system.count('ping') > 0, 500)
  delete p.system.script.fetch
  delete p.system.script.ping
  await p.pass(20_000)
  expect(await p.status(job)).toBe('Complete')
})

test('Large results take their time: what did not end in time is given twice as long the next time', async () => {
  const { p, job } = await succeeded(() => {}, { script: { has: ['recover', 'fetch'] } })
  const cut: number[] = []
  p.system.script.fetch = async (_job, _into, signal) => {
    const begun = p.clock.monotonic()
    await p.clock.sleep(4 * MINUTE, signal)
    if (signal.aborted) cut.push(Math.round((p.clock.monotonic() - begun) / MINUTE))
    signal.throwIfAborted()
    return []
  }
  await p.pass(15 * MINUTE, 1000)
  expect(cut).toEqual([1, 2])
  expect(await p.status(job)).toBe('Complete')
})

test('A function that no process has registered: the job waits, says so, and goes on when one has it', async () => {
  const { p, job } = await succeeded(() => {})
  await p.close()
  const ran: string[] = []
  const without = await portal({ directory: p.directory, clock: p.clock, system: p.system })
  await without.pass(10 * MINUTE, 2000)
  expect(await without.status(job)).toBe('Results-Ready')
  expect((await without.row(job)).collectError).toBe(
    'No process has registered the function "read" of the app flood; the results wait for it.',
  )
  expect(
    (await without.one<{ collect_tries: number }>('SELECT collect_tries FROM telesto_attempts')).collect_tries,
  ).toBe(0)
  await without.close()
  const read: ProcessResults = (of) => void ran.push(of.name)
  const withIt = await portal({ directory: p.directory, clock: p.clock, system: p.system, processResults: { read } })
  await withIt.pass(MINUTE)
  expect(ran).toEqual([job.name])
  expect(await withIt.status(job)).toBe('Complete')
})

test('Only a process that declared the app collects, and only one that has the adapter', async () => {
  const ran: string[] = []
  const read: ProcessResults = () => void ran.push('read')
  const { p, job } = await succeeded(read)
  await p.run(`UPDATE telesto_schedulers SET enabled = 0`)
  await p.close()
  const system = p.system
  const other = await portal({ directory: p.directory, clock: p.clock, system, apps: ['drought'] })
  await other.run(`UPDATE telesto_jobs SET status_code = 'RES'`)
  await other.run(`UPDATE telesto_attempts SET collect_due_at = 1, live = 0`)
  await other.pass(MINUTE)
  expect((await other.row(job)).statusCode).toBe('RES')
  await other.run(`UPDATE telesto_schedulers SET adapter = 'condor'`)
  await other.close()
  const third = await portal({ directory: p.directory, clock: p.clock, system, processResults: { read } })
  await third.pass(MINUTE)
  expect((await third.row(job)).statusCode).toBe('RES')
  expect(ran).toEqual([])
  await third.run(`UPDATE telesto_schedulers SET adapter = 'scripted'`)
  await third.pass(5000)
  expect(ran).toEqual(['read'])
  expect(await third.status(job)).toBe('Complete')
})

test('Various-Complete is collected and stays; results that cannot be collected leave it Various-Complete too', async () => {
  let fails = false
  const ran: string[] = []
  const p = await portal({
    limits: { pollSeconds: 5 },
    processResults: {
      read: (of) => {
        ran.push(of.name)
        if (fails) throw new Error('broken')
        of.extendedProperties.partial = true
      },
    },
  })
  const parts = [
    { name: 'a', state: 'succeeded' as const },
    { name: 'b', state: 'failed' as const },
  ]
  const job = await p.accepted({ processResults: 'read' })
  await p.says(job, { state: 'failed', parts })
  await p.pass(15_000)
  expect(await p.read(job)).toMatchObject({ status: 'Various-Complete', extendedProperties: { partial: true } })
  await p.pass(5 * MINUTE, 5000)
  expect(ran).toHaveLength(1)
  fails = true
  const second = await p.accepted({ processResults: 'read' })
  await p.says(second, { state: 'failed', parts })
  await p.pass(100 * MINUTE, 10_000)
  expect(ran).toHaveLength(11)
  expect(await p.read(second)).toMatchObject({ status: 'Various-Complete', cause: 'results' })
  fails = false
  await (await p.read(second)).collectAgain()
  await p.pass(5000)
  expect(await p.read(second)).toMatchObject({
    status: 'Various-Complete',
    cause: null,
    extendedProperties: { partial: true },
  })
})

test('Several results are processed at once, but not more than four', async () => {
  let active = 0
  let most = 0
  const gates: (() => void)[] = []
  const p = await portal({
    start: false,
    processResults: {
      read: async () => {
        most = Math.max(most, ++active)
        const { promise, resolve } = held<void>()
        gates.push(resolve)
        await promise
        active--
      },
    },
  })
  const jobs: Job[] = []
  for (let n = 0; n < 10; n++) jobs.push(await p.job({ processResults: 'read' }))
  p.engine.start()
  await p.pass(1000)
  p.system.all({ state: 'succeeded' })
  await p.pass(MINUTE)
  expect(active).toBe(4)
  for (let n = 0; n < 200 && gates.length > 0; n++) {
    gates.shift()?.()
    await p.pass(1000)
  }
  expect(most).toBe(4)
  expect(await Promise.all(jobs.map(p.status))).toEqual(Array(10).fill('Complete'))
})

test('Delete while results are processed: the row waits for the function, and what it set is dropped', async () => {
  const gate = held<void>()
  let context: ResultsContext | undefined
  const { p, job } = await succeeded(async (of, given) => {
    context = given
    await gate.promise
    of.statusMessage = 'too late'
  })
  await p.pass(15_000)
  expect(context).toBeDefined()
  await (await p.read(job)).delete()
  expect(await p.app.getJob(job.id)).toBeNull()
  await p.pass(5 * MINUTE, 5000) // far longer than the lease, which is renewed
  expect(await p.row(job)).toMatchObject({ statusCode: 'RES', statusMessage: null })
  expect(await p.all('SELECT order_name FROM telesto_attempts')).toEqual([{ order_name: 'clean_up' }])
  gate.resolve()
  await p.until(async () => (await p.all('SELECT id FROM telesto_jobs')).length === 0)
  expect(await p.events()).toEqual([{ kind: 'deleted' }])
})

test('What a function set is dropped where the job changed meanwhile: it runs again, on the job as it is now', async () => {
  const before: unknown[] = []
  const { p, job } = await succeeded(async (of) => {
    before.push((await p.row(job)).statusMessage)
    of.statusMessage = `run ${before.length}`
    if (before.length === 1) await p.run('UPDATE telesto_jobs SET status_version = status_version + 1')
  })
  await p.pass(20_000)
  expect(before).toEqual([null, null])
  expect(await p.read(job)).toMatchObject({ status: 'Complete', statusMessage: 'run 2' })
})

/** A job that has succeeded on a scheduler that can tell what it computed. */
const computed = async (result: () => unknown, processResults?: ProcessResults): Promise<{ p: Portal; job: Job }> => {
  const p = await portal({
    limits: { pollSeconds: 5 },
    script: { has: ['recover', 'result'] },
    ...(processResults ? { processResults: { read: processResults } } : {}),
  })
  p.system.script.result = result
  const job = await p.accepted(processResults ? { processResults: 'read' } : {})
  await p.says(job, { state: 'succeeded', exitCode: 0 })
  return { p, job }
}
const stored = async (p: Portal): Promise<unknown> => (await p.one('SELECT result FROM telesto_attempts')).result

test('What the job computed is stored with Complete; a function sees it, and what it returns replaces it', async () => {
  for (const [returned, kept] of [
    [undefined, '{"mean":1.5}'],
    [null, 'null'],
    [{ rounded: 2 }, '{"rounded":2}'],
  ] as const) {
    const seen: unknown[] = []
    const { p, job } = await computed(
      async () => ({ mean: 1.5 }),
      (_job, { result }) => {
        seen.push(result)
        return returned
      },
    )
    await p.pass(15_000)
    expect(await p.status(job)).toBe('Complete')
    expect([seen, await stored(p)]).toEqual([[{ mean: 1.5 }], kept])
  }
  const { p, job } = await computed(async () => 5)
  await p.pass(15_000)
  expect([await p.status(job), await stored(p)]).toEqual(['Complete', '5'])
})

test('A job that computed no value has no result', async () => {
  const { p, job } = await computed(async () => undefined)
  await p.pass(15_000)
  expect([await p.status(job), await stored(p)]).toEqual(['Complete', null])
})

test('A result that cannot be asked for is asked again; one that can never be stored is Error at once, cause "results"', async () => {
  const answers: (() => unknown)[] = [
    () => Promise.reject(new SchedulerError('unavailable', 'the link is down')),
    () => 'here',
  ]
  const { p, job } = await computed(() => answers.shift()?.())
  await p.until(async () => (await p.read(job)).waitingFor !== null)
  expect((await p.read(job)).waitingFor).toBe('The results could not be collected: the link is down')
  await p.pass(15_000)
  expect([await p.status(job), await stored(p)]).toEqual(['Complete', '"here"'])

  const hopeless: [() => unknown, RegExp][] = [
    [() => 'x'.repeat(1024 * 1024 - 1), /1048577 bytes of JSON, and at most 1048576 are kept\. Write it to a file/],
    [() => [new Date(0)], /must be JSON/],
    [() => Promise.reject(new SchedulerError('rejected', 'the value was forgotten')), /the value was forgotten/],
  ]
  for (const [result, reason] of hopeless) {
    const { p, job } = await computed(result)
    await p.pass(15_000)
    expect(await p.read(job)).toMatchObject({
      status: 'Error',
      cause: 'results',
      reason: expect.stringMatching(reason),
    })
    expect([await stored(p), p.system.count('result')]).toEqual([null, 1])
    // The administrator has put it right.
    p.system.script.result = async () => 'short'
    await (await p.read(job)).collectAgain()
    await p.pass(15_000)
    expect([await p.status(job), await stored(p)]).toEqual(['Complete', '"short"'])
  }
})

test('Of two engines that find results to collect at once, one processes them', async () => {
  const clock = new ManualClock()
  const system = scriptedSystem(() => clock.monotonic())
  const processed: string[] = []
  const both = (name: string): PortalOptions => ({
    clock,
    system,
    processResults: {
      async read() {
        processed.push(name)
        await clock.sleep(10_000)
      },
    },
  })
  const directory = await freshDirectory()
  const one = await portal({ ...both('one'), directory, limits: { pollSeconds: 5 } })
  const two = await portal({ ...both('two'), directory })
  const jobs = [await one.accepted({ processResults: 'read' }), await one.accepted({ processResults: 'read' })]
  system.all({ state: 'succeeded', exitCode: 0 })
  for (let second = 0; second < 60; second++) {
    clock.advance(1000)
    await Promise.all([one.settled(), two.settled()])
  }
  expect(await Promise.all(jobs.map(one.status))).toEqual(['Complete', 'Complete'])
  expect(processed).toHaveLength(2)
})
