import { AssertionError } from 'node:assert'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { cases, casesFor, runCase } from '../../adapters/testing.js'
import { type Adapter, type JobRef, type JobReport, type Scheduler, SchedulerError } from '../../src/adapter.js'
import { PASSWORD, toyAdapter, toySystem } from './toy.js'

const find = (name: string) => {
  const found = cases.find((one) => one.name.startsWith(name))
  if (!found) throw new Error(`there is no case "${name}"`)
  return found
}

/** The toy's adapter with some methods replaced. */
const broken =
  (replace: (good: Required<Scheduler>) => Partial<Scheduler>) =>
  (adapter: Adapter): Adapter => ({
    ...adapter,
    connect: (config, context) => {
      const good = adapter.connect(config, context)
      return { ...good, ...replace(good as Required<Scheduler>) }
    },
  })
const changed = (change: (report: JobReport) => JobReport) =>
  broken((good) => ({
    status: async (jobs, signal) =>
      new Map([...(await good.status(jobs, signal))].map(([token, report]) => [token, change(report)])),
  }))
const isOver = ({ state }: JobReport) => state === 'succeeded' || state === 'failed'

test('a good adapter passes every case there is', async () => {
  const { harness } = toySystem()
  expect(casesFor(toyAdapter(), harness)).toEqual(cases)
  for (const one of cases) await runCase(toyAdapter(), harness, one)
}, 60_000)

test('what is not offered is not registered', () => {
  const { harness } = toySystem()
  const { link: _link, wrongCredentials: _wrong, nameOf: _nameOf, ...poor } = harness
  const { history: _history, ...few } = toyAdapter().connect({ password: '' }, {} as never)
  const names = casesFor({ ...toyAdapter(), connect: () => few }, poor).map(({ name }) => name)
  expect(names).toContain(find('submit: two').name)
  expect(names.filter((name) => /^(link|garbage|chatter|wrong|history|submit: a name is)/.test(name))).toEqual([])
})

test('the names of the cases are unique', () => {
  expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length)
})

/** One wrong adapter for each case, and what is wrong with it. */
const wrong: readonly (readonly [caseName: string, fault: string, (adapter: Adapter) => Adapter])[] = [
  [
    'definition',
    'a spec that is not JSON',
    (adapter) => ({ ...adapter, specs: { TOY: z.any().transform(() => ({ at: new Date(0) })) } }),
  ],
  [
    'definition',
    'a reserved name in a spec',
    (adapter) => ({ ...adapter, specs: { TOY: z.any().transform(() => ({ tags: {} })) } }),
  ],
  ['definition', 'a secret that is no field', (adapter) => ({ ...adapter, secrets: ['key'] })],
  [
    'connect',
    'asks at once',
    (adapter) => ({
      ...adapter,
      connect: (config, context) => {
        context.fetch('toy://').catch(() => {})
        return adapter.connect(config, context)
      },
    }),
  ],
  [
    'close',
    'takes its jobs along',
    broken((good) => {
      const mine: Parameters<Scheduler['cancel']>[0][number][] = []
      return {
        status: (jobs, signal) => {
          mine.push(...jobs)
          return good.status(jobs, signal)
        },
        close: async () => {
          await good.cancel(mine, new AbortController().signal)
        },
      }
    }),
  ],
  ['ping', 'an empty version', broken(() => ({ ping: async () => ({ version: ' ' }) }))],
  ['info', 'a line without a label', broken(() => ({ info: async () => [{ label: '', value: '1' }] }))],
  ['abort: every', 'a call that ignores its signal', broken(() => ({ ping: () => new Promise(() => {}) }))],
  [
    'abort: an',
    'absent is said of what is there',
    broken(() => ({ recover: async (jobs) => new Map(jobs.map(({ token }) => [token, 'absent'])) })),
  ],
  [
    'submit: no jobs',
    'an answer that nobody asked for',
    broken(() => ({ submit: async () => new Map([['other', '1']]) })),
  ],
  ['submit: a job', 'no job ever ends', changed((report) => (isOver(report) ? { state: 'running' } : report))],
  ['submit: a job', 'an outage is taken for a failure', changed(() => ({ state: 'failed' }))],
  [
    'submit: two',
    'one id for all',
    broken((good) => ({
      submit: async (jobs, signal) =>
        new Map([...(await good.submit(jobs, signal)).keys()].map((token) => [token, '1'])),
    })),
  ],
  [
    'submit: many',
    'forgets what is beyond a page',
    broken((good) => ({ submit: (jobs, signal) => good.submit(jobs.slice(0, 20), signal) })),
  ],
  [
    'submit: an invalid',
    'one bad job spoils all',
    broken((good) => ({
      submit: async (jobs, signal) => {
        const answers = await good.submit(jobs, signal)
        const bad = [...answers.values()].find((answer) => answer instanceof SchedulerError)
        if (bad) throw bad
        return answers
      },
    })),
  ],
  [
    'submit: an invalid',
    'what can never run is called an outage',
    broken((good) => ({
      submit: async (jobs, signal) =>
        new Map(
          [...(await good.submit(jobs, signal))].map(([token, answer]) => [
            token,
            typeof answer === 'string' ? answer : new SchedulerError('unavailable', 'later'),
          ]),
        ),
    })),
  ],
  [
    'submit: arguments',
    'words joined and split again',
    broken((good) => ({
      submit: (jobs, signal) =>
        good.submit(
          jobs.map((job) => {
            const spec = job.spec as { words: string[] }
            return { ...job, spec: { ...spec, words: spec.words.join(' ').split(' ') } }
          }),
          signal,
        ),
    })),
  ],
  [
    'submit: a name may',
    'a quote in a name is refused',
    broken((good) => ({
      submit: async (jobs, signal) => {
        if (jobs.some(({ name }) => name.includes("'"))) throw new SchedulerError('rejected', 'bad name')
        return good.submit(jobs, signal)
      },
    })),
  ],
  [
    'submit: a name is',
    'a name made harmless',
    broken((good) => ({
      submit: (jobs, signal) =>
        good.submit(
          jobs.map((job) => ({ ...job, name: job.name.replaceAll(/\W/g, '_') })),
          signal,
        ),
    })),
  ],
  [
    'status: no jobs',
    'none is too few',
    broken((good) => ({
      status: async (jobs, signal) => {
        if (jobs.length === 0) throw new SchedulerError('protocol', 'usage: status ID...')
        return good.status(jobs, signal)
      },
    })),
  ],
  [
    'status: jobs that never were',
    'absence is taken for an end',
    broken((good) => ({
      status: async (jobs, signal) => {
        const known = await good.status(jobs, signal)
        return new Map(jobs.map(({ token }) => [token, known.get(token) ?? { state: 'succeeded' as const }]))
      },
    })),
  ],
  [
    'status: a finished',
    'a late answer revives the job',
    broken((good) => {
      let ends = 0
      return {
        status: async (jobs, signal) => {
          const reports = await good.status(jobs, signal)
          if (![...reports.values()].some(isOver) || ends++ === 0) return reports
          return new Map([...reports.keys()].map((token) => [token, { state: 'running' as const }]))
        },
      }
    }),
  ],
  [
    'status: a failing',
    'every failure is 1',
    changed((report) => (report.state === 'failed' ? { ...report, exitCode: 1 } : report)),
  ],
  [
    'status: a running',
    'a running job that has ended',
    changed((report) => (report.state === 'running' ? { ...report, endedAt: new Date() } : report)),
  ],
  [
    'status: a running',
    'an end before the start',
    changed((report) => (isOver(report) ? { ...report, startedAt: new Date(2), endedAt: new Date(1) } : report)),
  ],
  [
    'cancel: no jobs',
    'a button that does nothing',
    broken(() => ({ cancel: async (jobs) => new Map(jobs.map(({ token }) => [token, 'ok' as const])) })),
  ],
  [
    'cancel: live',
    'what has finished cannot be cancelled',
    broken((good) => ({
      cancel: async (jobs, signal) => {
        const known = await good.status(jobs, signal)
        await good.cancel(jobs, signal)
        const answerTo = (token: string) =>
          known.get(token)?.state === 'running' ? 'ok' : new SchedulerError('rejected', 'no such job')
        return new Map(jobs.map(({ token }) => [token, answerTo(token)]))
      },
    })),
  ],
  [
    'hold and',
    'a button that does nothing',
    broken(() => ({ hold: async (jobs) => new Map(jobs.map(({ token }) => [token, 'ok' as const])) })),
  ],
  [
    'history',
    'what is not remembered has succeeded',
    broken(() => ({
      history: async (jobs) => new Map(jobs.map(({ token }) => [token, { state: 'succeeded' as const }])),
    })),
  ],
  ['recover: finds', 'finds nothing', broken(() => ({ recover: async () => new Map() }))],
  [
    'recover: a token',
    'finds what never was',
    broken(() => ({ recover: async (jobs) => new Map(jobs.map(({ token }) => [token, '1'])) })),
  ],
  [
    'recover: a token',
    'breaks its promise',
    broken(() => {
      let asked = 0
      return {
        recover: async (jobs) =>
          new Map(jobs.length > 0 && asked++ === 0 ? jobs.map(({ token }) => [token, 'absent']) : []),
      }
    }),
  ],
  [
    'cleanUp',
    'only once',
    broken((good) => {
      const done = new Set<string>()
      return {
        cleanUp: async (jobs, signal) => {
          const answers = new Map(await good.cleanUp(jobs, signal))
          for (const { token } of jobs)
            if (done.has(token)) answers.set(token, new SchedulerError('rejected', 'no such directory'))
          for (const { token } of jobs) done.add(token)
          return answers
        },
      }
    }),
  ],
  [
    'logs: windows',
    'the next offset is one too far',
    broken((good) => ({
      readLog: async (...ask) => {
        const window = await good.readLog(...ask)
        return { ...window, next: window.next + 1 }
      },
    })),
  ],
  [
    'logs: windows',
    'more than was asked for',
    broken((good) => ({ readLog: (job, log, from, _max, signal) => good.readLog(job, log, from, 1000, signal) })),
  ],
  [
    'logs: past',
    'an offset past the end is an error',
    broken((good) => ({
      readLog: async (job, log, from, max, signal) => {
        if (from > log.size) throw new SchedulerError('protocol', 'out of range')
        return good.readLog(job, log, from, max, signal)
      },
    })),
  ],
  [
    'logs: the log',
    'an end while the job runs',
    broken((good) => ({ readLog: async (...ask) => ({ ...(await good.readLog(...ask)), end: true }) })),
  ],
  ['fetch', 'a file that was not written', broken(() => ({ fetch: async () => ['results.csv'] }))],
  [
    'result: the value',
    'every value is a text',
    broken((good) => ({ result: async (...of) => String(await good.result(...of)) })),
  ],
  [
    'result: undefined',
    'no value is null',
    broken((good) => ({ result: async (...of) => (await good.result(...of)) ?? null })),
  ],
  ['fetch', 'a file somewhere else', broken(() => ({ fetch: async () => ['/etc/passwd'] }))],
  [
    'link cut:',
    'an outage is an empty answer',
    broken((good) => ({ status: (jobs, signal) => good.status(jobs, signal).catch(() => new Map()) })),
  ],
  [
    'link hung',
    'a call that ignores its signal',
    broken((good) => ({ info: () => good.info(new AbortController().signal) })),
  ],
  [
    'garbage',
    'nonsense is an empty answer',
    broken((good) => ({ status: (jobs, signal) => good.status(jobs, signal).catch(() => new Map()) })),
  ],
  ['chatter', 'takes the banner for the answer', () => toyAdapter((text) => text)],
  [
    'wrong credentials',
    'a wrong password is an outage',
    broken((good) => ({
      ping: (signal) =>
        good.ping(signal).catch((error: unknown) => {
          throw new SchedulerError('unavailable', 'no answer', { cause: error })
        }),
    })),
  ],
  [
    'link cut within',
    'throws away what was accepted',
    broken((good) => ({
      submit: async (jobs, signal) => {
        const answers = await good.submit(jobs, signal)
        for (const answer of answers.values()) if (answer instanceof SchedulerError) throw answer
        return answers
      },
    })),
  ],
]

test.each(wrong)('%s: the kit finds out that %s', async (name, _fault, spoil) => {
  const { harness } = toySystem()
  const error = await runCase(spoil(toyAdapter()), harness, find(name)).catch((reason: unknown) => reason)
  // Found by the case, not stumbled over.
  expect(error instanceof AssertionError || error instanceof SchedulerError, String(error)).toBe(true)
})

test('there is a wrong adapter for every case', () => {
  expect(cases.filter(({ name }) => !wrong.some(([start]) => name.startsWith(start))).map(({ name }) => name)).toEqual(
    [],
  )
})

/** What no case may let pass, whatever it is about. */
test.each([
  [
    'an error of another kind',
    broken(() => ({ status: () => Promise.reject(new TypeError('undefined is not a function')) })),
    /no SchedulerError/,
  ],
  ['an answer that is no Map', broken(() => ({ status: async () => ({}) as never })), /must answer a Map/],
  ['a state that does not exist', changed(() => ({ state: 'done' as never })), /does not know/],
  ['a time that is no Date', changed((report) => ({ ...report, startedAt: 'now' as never })), /does not know/],
  [
    'an empty id',
    broken(() => ({ submit: async (jobs) => new Map(jobs.map(({ token }) => [token, ''])) })),
    /does not know/,
  ],
  [
    'a changed input',
    broken((good) => ({ status: (jobs, signal) => good.status((jobs as unknown as JobRef[]).splice(0), signal) })),
    /Cannot|no SchedulerError/,
  ],
  [
    'a secret in an error',
    broken(() => ({
      status: async () => {
        throw new SchedulerError('auth', `login toy:${PASSWORD} failed`)
      },
    })),
    /auth|login|secret/,
  ],
])('every case finds %s', async (_fault, spoil, message) => {
  const { harness } = toySystem()
  await expect(runCase(spoil(toyAdapter()), harness, find('submit: a job'))).rejects.toThrow(message)
})

test('a secret in a log line, in an answer or behind a cause fails a case that is otherwise well', async () => {
  const { harness } = toySystem()
  const inLog = (adapter: Adapter): Adapter => ({
    ...adapter,
    connect: (config, context) => {
      context.log.debug({ config }, 'connecting')
      return adapter.connect(config, context)
    },
  })
  const inAnswer = broken((good) => ({
    cancel: async (jobs, signal) => {
      await good.cancel(jobs, signal)
      return new Map(
        jobs.map(({ token }) => [token, new SchedulerError('rejected', 'no', { cause: new Error(PASSWORD) })]),
      )
    },
  }))
  for (const spoil of [inLog, inAnswer])
    await expect(runCase(spoil(toyAdapter()), harness, find('submit: a job'))).rejects.toThrow(
      /the secret "password" came out/,
    )
})
