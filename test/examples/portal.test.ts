import { readdirSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { startPortal } from './start-portal.js'

interface JobJson {
  readonly id: number
  readonly status: string
  readonly progress: number | null
  readonly statusMessage: string | null
}

let directory: string
let origin: string
let stop: () => Promise<void>

beforeAll(async () => {
  ;({ directory, origin, stop } = await startPortal())
})
afterAll(async () => await stop())

const post = async (url: string, fields: Readonly<Record<string, string>> = {}): Promise<Response> =>
  await fetch(origin + url, { method: 'POST', body: new URLSearchParams(fields), redirect: 'manual' })
const jobAt = async (id: number): Promise<JobJson> =>
  (await (await fetch(`${origin}/telesto/api/jobs/${id}`)).json()) as JobJson

test('the front door leads to the jobs page', async () => {
  const answer = await fetch(origin, { redirect: 'manual' })
  expect([answer.status, answer.headers.get('location')]).toEqual([302, '/telesto/jobs'])
})

test('an analysis runs from the form to the plot, with progress, and finds 1898', async () => {
  const started = await post('/nile/runs', { seed: '7', resamples: '60000' })
  expect(started.status).toBe(303)
  const id = Number(started.headers.get('location')?.split('/').at(-1))
  const seen = new Set<string>()
  let most = 0
  const complete = await vi.waitFor(
    async () => {
      const job = await jobAt(id)
      seen.add(job.status)
      most = Math.max(most, job.progress ?? 0)
      if (job.status !== 'Complete') throw new Error(`it is ${job.status}`)
      return job
    },
    { timeout: 120_000, interval: 20 },
  )
  expect(complete.statusMessage).toMatch(/1898/)
  expect([...seen]).toEqual(expect.arrayContaining(['Running', 'Complete']))
  expect(most).toBeGreaterThan(0)
  const history = (await (await fetch(`${origin}/telesto/api/jobs/${id}/history`)).json()) as {
    entries: { kind: string; to?: string }[]
  }
  const statuses = history.entries.filter(({ kind }) => kind === 'status').map(({ to }) => to)
  expect(statuses).toEqual(['Submitted', 'Running', 'Results-Ready', 'Complete'])
  const page = await (await fetch(`${origin}/nile/runs/${id}`)).text()
  expect(page).toContain('1898')
  const plot = await fetch(`${origin}/nile/runs/${id}/plot.svg`)
  expect(plot.headers.get('content-type')).toContain('image/svg+xml')
  expect(await plot.text()).toContain('1898')
}, 150_000)

test('a stranger does not see the run', async () => {
  const asBen = await post('/who', { user: 'ben' })
  const cookie = asBen.headers.get('set-cookie')?.split(';')[0] ?? ''
  expect((await fetch(`${origin}/telesto/api/jobs/1`, { headers: { cookie } })).status).toBe(404)
  expect((await fetch(`${origin}/nile/runs/1`, { headers: { cookie } })).status).toBe(404)
})

test('200 short runs are started at once and all complete', async () => {
  expect((await post('/nile/many')).status).toBe(303)
  await vi.waitFor(
    async () => {
      const { total } = (await (
        await fetch(`${origin}/telesto/api/jobs?tag.kind=short&status=Complete&pageSize=1`)
      ).json()) as { total: number }
      expect(total).toBe(200)
    },
    { timeout: 180_000, interval: 500 },
  )
  expect(readdirSync(path.join(directory, '.telesto', 'jobs', 'nile', 'ada'))).toHaveLength(201)
}, 200_000)
