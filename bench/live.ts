import { setTimeout as sleep } from 'node:timers/promises'
import type { Bench, Benchmark } from './benchmark.ts'
import { type Child, startChild } from './child.ts'
import { type Measured, median, quantile } from './measure.ts'
import type { TelestoServer, TelestoServerOptions } from './servers/telesto.ts'
import { openStreams } from './streams.ts'

const goals = [
  {
    name: 'report-to-event',
    what: "a signed report until its event is at a page's stream, p95 (beside it the median)",
    goal: 50,
    is: 'at most',
    unit: 'ms',
  },
  {
    name: 'sql-per-viewer',
    what: 'statements for each viewer of 50 rows in 10 s while nothing changes, from 8 viewers to 800 (beside it those for all)',
    goal: 0,
    is: 'at most',
    unit: 'statements',
  },
] as const

const ROWS = 50

interface Reporter {
  readonly id: number
  readonly token: string
}

/** From the sending of a report to the arrival of the event, in milliseconds. */
const delays = async (port: number, jobs: readonly Reporter[], count: number): Promise<number[]> => {
  let waiting: { readonly mark: string; readonly resolve: () => void } | undefined
  let text = ''
  const streams = await openStreams(port, 1, idsOf(jobs), (news) => {
    text = (text + news).slice(-100_000)
    if (waiting && text.includes(waiting.mark)) waiting.resolve()
  })
  const measured: number[] = []
  try {
    for (let index = 0; index < count; index++) {
      const { id, token } = jobs[index % jobs.length] as Reporter
      await sleep(50 + Math.random() * 50)
      text = ''
      const { promise, resolve } = Promise.withResolvers<void>()
      waiting = { mark: `hx-target="#job-${id}"`, resolve }
      const began = performance.now()
      const response = fetch(`http://127.0.0.1:${port}/telesto/update-job-status/${id}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ progress: (index % 100) / 100, message: `step ${index}` }),
      })
      await promise
      measured.push(performance.now() - began)
      const { status } = await response
      if (status !== 200) throw new Error(`A report was answered ${status}.`)
    }
  } finally {
    streams.close()
  }
  return measured
}

const idsOf = (jobs: readonly Reporter[]): string => jobs.map(({ id }) => id).join()

/** How many statements a server makes in `seconds` while so many people watch and nothing changes. */
const watched = async (
  telesto: Child<TelestoServer>,
  jobs: readonly Reporter[],
  viewers: number,
  seconds: number,
): Promise<number> => {
  const streams = await openStreams(await telesto.ask('port'), viewers, idsOf(jobs))
  try {
    await sleep(2000) // what a stream asks when it is opened is not meant
    const before = await telesto.ask('statements')
    await sleep(seconds * 1000)
    return ((await telesto.ask('statements')) - before) * (10 / seconds)
  } finally {
    streams.close()
  }
}

const run = async ({ store, size, note }: Bench) => {
  const place = await store.place()
  const start = async (runLoops: boolean) =>
    await startChild<TelestoServer>('telesto.ts', {
      place: place.options,
      runLoops,
      countsSql: !runLoops,
    } satisfies TelestoServerOptions)
  let telesto = await start(true)
  try {
    const jobs = await telesto.ask('runJobs', { count: ROWS, pollSeconds: 60 })
    const port = await telesto.ask('port')
    await delays(port, jobs, 20)
    const measured = await delays(port, jobs, size(600, 60))
    const p95: Measured = { ratio: quantile(measured, 0.95), ours: quantile(measured, 0.95), other: median(measured) }
    await telesto.stop()
    // Without the loops, which look for work a few times a second whoever watches.
    telesto = await start(false)
    const [few, many] = [8, size(800, 80)]
    const seconds = size(10, 5)
    const ofFew = await watched(telesto, jobs, few, seconds)
    const ofMany = await watched(telesto, jobs, many, seconds)
    note(`${few} viewers: ${ofFew} statements in 10 s, ${many} viewers: ${ofMany}`)
    const each = Math.max(0, ofMany - ofFew) / (many - few)
    // One reading more or less fell into the seconds: that is of no viewer.
    const perViewer: Measured = { ratio: Math.round(each * 10) / 10, ours: ofMany, other: ofFew }
    return { 'report-to-event': p95, 'sql-per-viewer': perViewer }
  } finally {
    await telesto.stop()
    await place.remove()
  }
}

export const live: Benchmark = { name: 'live', goals, run }
