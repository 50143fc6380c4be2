import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import express, { type Request, type Response, type Router } from 'express'
import type { Job, Telesto } from 'telesto'
import type { local } from 'telesto/adapters/local'
import { type Run, renderRun, renderStart } from './pages.ts'

const here = (name: string): string => fileURLToPath(new URL(`../nile/${name}`, import.meta.url))

/** What examples/nile/analyse.ts writes. */
export interface Result {
  readonly changeYear: number
  readonly interval95: readonly [number, number]
  readonly meanBefore: number
  readonly meanAfter: number
  readonly drop: number
  readonly resamples: number
}

/** The app "nile": when did the level of the river change? Each run is a job of type BASIC. */
export const nileApp = (telesto: Telesto<readonly [typeof local]>): Router => {
  telesto.app('nile', { url: '/nile', resultsUrl: '/nile/runs/{id}', processResults: { readResult } })
  const router = express.Router()
  /** The jobs of the app, as who asks may see them. */
  const jobsOf = (req: Request) => telesto.as(req.telesto.user).app('nile')
  const find = async (req: Request, res: Response): Promise<Job | null> => {
    const job = await jobsOf(req).getJob(Number(req.params.id))
    if (!job) res.status(404).send('There is no such run.')
    return job
  }
  const form = express.urlencoded({ extended: false, limit: '4kb' })

  router.get('/', async (req, res) => {
    const runs = await jobsOf(req)
      .query()
      .filter({ tags: { kind: 'analysis' } })
      .orderBy('-id')
      .slice(0, 10)
    res.send(renderStart(req.telesto.user, runs.map(asRun)))
  })

  router.post('/runs', form, async (req, res) => {
    const seed = wholeNumber(req, 'seed', 1, 2 ** 31 - 1, 1)
    const resamples = wholeNumber(req, 'resamples', 100, 1_000_000, 120_000)
    const job = await jobsOf(req).createJob(analysis(req, `Nile change point, run {id}`, seed, resamples, 'analysis'))
    await job.execute()
    res.redirect(303, job.url)
  })

  router.post('/many', form, async (req, res) => {
    const seeds = Array.from({ length: 200 }, (_, index) => index + 1)
    const jobs = await jobsOf(req).bulkCreate(
      seeds.map((seed) => analysis(req, `Nile, short run with seed ${seed}`, seed, 2_000, 'short')),
    )
    for (const job of jobs) await job.execute()
    res.redirect(303, '/telesto/jobs')
  })

  router.get('/runs/:id', async (req, res) => {
    const job = await find(req, res)
    if (job) res.send(renderRun(req.telesto.user, asRun(job)))
  })

  router.get('/runs/:id/plot.svg', async (req, res) => {
    const job = await find(req, res)
    if (!job) return
    res.setHeader('Content-Security-Policy', "default-src 'none'; style-src 'unsafe-inline'")
    // The jobs live under .telesto/, which Express takes for a hidden file.
    res.type('svg').sendFile(await job.resultPath('plot.svg'), { dotfiles: 'allow' })
  })
  return router
}

const analysis = (req: Request, name: string, seed: number, resamples: number, kind: string) => ({
  jobType: 'BASIC' as const,
  name,
  user: req.telesto.user.id,
  groups: req.telesto.user.groups ?? [],
  tags: { kind, seed: String(seed) },
  processResults: 'readResult',
  command: [
    process.execPath,
    here('analyse.ts'),
    ...['--data', here('nile.csv')],
    ...['--seed', String(seed)],
    ...['--resamples', String(resamples)],
  ],
})

/** Runs when a job's results are here: the year goes onto the job, and commits together with Complete. */
const readResult = async (job: Job, { directory }: { readonly directory: string }): Promise<void> => {
  const result = JSON.parse(await readFile(path.join(directory, 'result.json'), 'utf8')) as Result
  job.extendedProperties = { ...job.extendedProperties, result }
  job.statusMessage = `The level changed after ${result.changeYear}`
}

const asRun = (job: Job): Run => ({
  id: job.id,
  name: job.name,
  status: job.status,
  url: job.url,
  message: job.statusMessage,
  result: (job.extendedProperties.result as Result | undefined) ?? null,
})

const wholeNumber = (req: Request, field: string, least: number, most: number, otherwise: number): number => {
  const text: unknown = (req.body as Record<string, unknown>)[field]
  const value = typeof text === 'string' && text.trim() !== '' ? Number(text) : otherwise
  return Number.isInteger(value) ? Math.min(Math.max(value, least), most) : otherwise
}
