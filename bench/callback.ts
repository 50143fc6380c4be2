import type { Bench, Benchmark } from './benchmark.ts'
import { startChild } from './child.ts'
import { type Measured, sideBySide } from './measure.ts'
import type { Client, Request } from './servers/client.ts'
import type { ExpressServer, ExpressServerOptions } from './servers/express.ts'
import type { TelestoServer, TelestoServerOptions } from './servers/telesto.ts'

const goals = [
  {
    name: 'pokes',
    what: 'pokes a second, half of them for unknown ids, to a bare Express handler behind the same rate limiter',
    goal: 0.9,
    is: 'at least',
    of: '/s',
  },
  {
    name: 'reports',
    what: 'signed reports a second of 16 clients, to a bare Express handler that makes one durable UPDATE',
    goal: 1,
    is: 'at least',
    of: '/s',
  },
] as const

const CLIENTS = 16
const UNKNOWN = 1_000_000

/** Requests a second, and their ratio, from what the same number of requests took. */
const asRates = (measured: Measured, requests: number): Measured => ({
  ratio: 1 / measured.ratio,
  ours: (requests * 1000) / measured.ours,
  other: (requests * 1000) / (measured.other ?? Number.NaN),
})

const run = async ({ store, size }: Bench) => {
  const [place, bareplace] = [await store.place(), await store.place()]
  const [telesto, client] = [
    await startChild<TelestoServer>('telesto.ts', { place: place.options } satisfies TelestoServerOptions),
    await startChild<Client>('client.ts', {}),
  ]
  // The same jobs lie in the database of the bare handler.
  const other = await startChild<TelestoServer>('telesto.ts', {
    place: bareplace.options,
  } satisfies TelestoServerOptions)
  await other.ask('runJobs', { count: CLIENTS, pollSeconds: 60 })
  await other.stop()
  const bare = await startChild<ExpressServer>('express.ts', {
    store: store.name,
    place: bareplace.options,
  } satisfies ExpressServerOptions)
  try {
    const jobs = await telesto.ask('runJobs', { count: CLIENTS, pollSeconds: 60 })
    const ports = { telesto: await telesto.ask('port'), bare: await bare.ask('port') }
    const load = (port: number, each: number, requests: readonly Request[]) => async () =>
      await client.ask('send', { port, connections: CLIENTS, each, requests })
    const pokes = (base: string): Request[] =>
      jobs.flatMap(({ id }, index) =>
        [id, UNKNOWN + index].map((one) => ({ method: 'GET' as const, path: `${base}/${one}` })),
      )
    const turns = { warmUp: 1, fewest: size(7, 3), most: size(25, 5) }
    const each = size(500, 50)
    const poked = await sideBySide(
      load(ports.telesto, each, pokes('/telesto/update-job-status')),
      load(ports.bare, each, pokes('/limited')),
      turns,
    )
    const body = JSON.stringify({ progress: 0.4, message: 'step 4 of 10' })
    const reportsTo = (base: string): Request[] =>
      jobs.map(({ id, token }) => ({ method: 'POST', path: `${base}/${id}`, token, body }))
    const few = size(60, 10)
    const reported = await sideBySide(
      load(ports.telesto, few, reportsTo('/telesto/update-job-status')),
      load(ports.bare, few, reportsTo('/report')),
      turns,
    )
    return { pokes: asRates(poked, CLIENTS * each), reports: asRates(reported, CLIENTS * few) }
  } finally {
    for (const child of [telesto, bare, client]) await child.stop()
    for (const one of [place, bareplace]) await one.remove()
  }
}

export const callback: Benchmark = { name: 'callback', goals, run }
