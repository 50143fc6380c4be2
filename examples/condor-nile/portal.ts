// A portal that runs the analysis of the Nile on a pool of HTCondor: as twenty jobs, and as a workflow.
//
//   examples/condor-nile/start.sh     starts a pool where there is none, and this
//
// PORT (3000) and STATE (.telesto) say where it is. It needs condor_submit on its PATH, and to be no root.

import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import express from 'express'
import { createTelesto, type Job } from 'telesto'
import { condor } from 'telesto/adapters/condor'
import type { Result } from '../nile/result.ts'
import { twentyRuns, workflow } from './runs.ts'

const origin = `http://127.0.0.1:${process.env.PORT || 3000}`

const telesto = await createTelesto({
  adapters: [condor],
  directory: process.env.STATE ?? '.telesto',
  url: `${origin}/telesto`,
  identify: () => ({ id: 'ada', name: 'Ada', isAdmin: true }),
  log: {
    debug() {},
    info() {},
    warn: (facts, message) => console.warn(message ?? '', facts),
    error: (facts, message) => console.error(message ?? '', facts),
  },
})
const nile = telesto.app('nile', {
  schedulerSettings: { pool: { adapter: 'condor', description: 'Where the analysis runs' } },
  workspace: fileURLToPath(new URL('..', import.meta.url)), // the code of the examples, which travels with the jobs
  processResults: { readResult },
})
if (!(await telesto.getScheduler('pool'))) await telesto.createScheduler({ name: 'pool', adapter: 'condor' })
await telesto.assignScheduler('nile', 'pool', 'pool')

const app = express()
app.disable('x-powered-by')
app.use('/telesto', telesto.router)
app.get('/', (_req, res) => res.redirect('/telesto/jobs'))
const server = app.listen(Number(process.env.PORT || 3000), '127.0.0.1', (error?: Error) => {
  if (error) throw error
  console.log(`Watch them at ${origin}/telesto/jobs`)
})
let stopping = false
const stop = async (): Promise<void> => {
  stopping = true
  server.close()
  await telesto.close()
  process.exit(0)
}
process.once('SIGINT', () => void stop())
process.once('SIGTERM', () => void stop())

const jobs = await nile.bulkCreate([...twentyRuns('ada'), workflow('ada', 16_000)])
await nile
  .query()
  .filter({ id: jobs.map(({ id }) => id) })
  .execute()
try {
  for await (const job of nile.asCompleted(jobs))
    console.log(`${job.name}: ${job.status}. ${job.statusMessage ?? job.reason ?? ''}`)
  console.log('All have ended. The portal stays: end it with Ctrl-C.')
} catch (error) {
  if (!stopping) throw error
}

/** Runs when the results of a job are here: the answer goes onto the job, and commits together with Complete. */
async function readResult(job: Job, { directory }: { readonly directory: string }): Promise<void> {
  const result = JSON.parse(await readFile(path.join(directory, 'result.json'), 'utf8')) as Result
  job.extendedProperties = { ...job.extendedProperties, result }
  job.statusMessage = `The level changed after ${result.changeYear} (${result.interval95.join(' to ')})`
}
