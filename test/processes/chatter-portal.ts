// A portal of two on one database, with a scheduler of which both see the same: what a job's state is depends on the time
// alone, until it is cancelled. It prints its port, then does, line by line, what it is told.

import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { createInterface } from 'node:readline'
import express from 'express'
import { createTelesto, defineAdapter, type JobReport, type NativeId, TelestoError, type Token } from 'telesto'
import { z } from 'zod'

const options = JSON.parse(process.argv[2] ?? '') as { readonly directory: string; readonly database?: string }
const CHANGES_EVERY_MS = 150

const cancelled = (token: Token): string => path.join(options.directory, `cancelled-${token}`)
const stateOf = ({ token, nativeId }: { readonly token: Token; readonly nativeId: NativeId }): JobReport => {
  if (existsSync(cancelled(token))) return { state: 'cancelled' }
  const turn = Math.floor(Date.now() / CHANGES_EVERY_MS) + nativeId.length
  return turn % 2 === 0 ? { state: 'running', nativeState: 'R' } : { state: 'held', message: `turn ${turn % 10}` }
}
const adapter = defineAdapter({
  type: 'restless',
  label: 'A scheduler that changes its mind',
  config: z.strictObject({}),
  secrets: [],
  specs: { RESTLESS: z.strictObject({ argument: z.string().default('') }) },
  defaults: { pollSeconds: 0.1, maxIdsPerPoll: 1000, maxSubmitsPerMinute: 10_000 },
  connect: () => ({
    submit: async (jobs) => new Map(jobs.map(({ token }) => [token, token])),
    status: async (jobs) => new Map(jobs.map((job) => [job.token, stateOf(job)])),
    cancel: async (jobs) => {
      for (const { token } of jobs) writeFileSync(cancelled(token), '')
      return new Map(jobs.map(({ token }) => [token, 'ok']))
    },
    recover: async (attempts) => new Map(attempts.map(({ token }) => [token, token])),
    close: async () => {},
  }),
})

const telesto = await createTelesto({
  adapters: [adapter],
  ...options,
  url: 'http://127.0.0.1/telesto',
  rateLimits: { callback: 1e9, api: 1e9 },
  log: {
    debug() {},
    info() {},
    warn() {},
    error: (facts: object, message: string) => console.error(message, JSON.stringify(facts)),
  },
})
const flood = telesto.app('flood')
const app = express()
app.use(telesto.callbackRouter)
const server = app.listen(0, '127.0.0.1')
await once(server, 'listening')
console.log((server.address() as AddressInfo).port)

for await (const line of createInterface({ input: process.stdin })) {
  const { act, id } = JSON.parse(line) as { act: 'create' | 'stop' | 'resubmit' | 'pause' | 'resume'; id?: number }
  try {
    if (act === 'create') {
      const pool =
        (await telesto.getScheduler('pool')) ?? (await telesto.createScheduler({ name: 'pool', adapter: 'restless' }))
      const job = await flood.createJob({ name: 'run', user: 'ada', jobType: 'RESTLESS', scheduler: pool })
      await job.execute()
      console.log(job.id)
    } else {
      await (await flood.getJob(id ?? 0))?.[act]()
      console.log('done')
    }
  } catch (error) {
    if (!(error instanceof TelestoError)) throw error
    console.log(error.code)
  }
}
