import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test, vi } from 'vitest'
import { freePort } from './start-portal.js'

const start = fileURLToPath(new URL('../../examples/condor-nile/start.sh', import.meta.url))

interface JobJson {
  readonly id: number
  readonly name: string
  readonly status: string
  readonly reason: string | null
  readonly statuses: Readonly<Record<string, number>>
  readonly statusMessage: string | null
}

test('one command starts a pool, a portal, twenty jobs and a workflow, which all find 1898', async () => {
  // Not below /tmp, where DAGMan refuses to keep its logs.
  const state = mkdtempSync('/var/tmp/telesto-condor-nile-')
  const port = await freePort()
  const env = { ...process.env, PORT: String(port), STATE: state }
  const example = spawn(start, { env, stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise((resolve) => example.once('close', resolve))
  onTestFinished(async () => {
    example.kill('SIGTERM')
    await ended
    rmSync(state, { recursive: true, force: true, maxRetries: 5 })
  })
  let printed = ''
  example.stdout.on('data', (text: Buffer) => {
    printed += text.toString()
  })
  await vi.waitFor(() => expect(printed).toContain('All have ended.'), { timeout: 400_000, interval: 500 })

  const api = `http://127.0.0.1:${port}/telesto/api/jobs`
  const { jobs } = (await (await fetch(`${api}?pageSize=50`)).json()) as { jobs: readonly JobJson[] }
  expect(jobs.filter(({ status }) => status !== 'Complete')).toEqual([])
  expect(jobs).toHaveLength(21)
  for (const job of jobs) expect(job.statusMessage).toMatch(/^The level changed after 1898 /)

  const workflow = jobs.find(({ name }) => name === 'Nile, in eight parts')
  expect(workflow?.statuses).toEqual({ succeeded: 11 })
  const plot = await fetch(`${api}/${workflow?.id}/results/file?path=plot.svg`)
  expect(await plot.text()).toContain('1898')
}, 500_000)
