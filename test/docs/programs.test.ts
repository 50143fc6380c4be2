import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { promisify } from 'node:util'
import { expect, onTestFinished, test, vi } from 'vitest'
import { programOf } from './extract.js'
import { written } from './written.js'

const run = promisify(execFile)

const freePort = async (): Promise<number> =>
  await new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })

const emptyDirectory = (): string => {
  const directory = mkdtempSync(path.join(tmpdir(), 'telesto-docs-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

test('the twins of the Tethys examples compile, run, and print what the page says', async () => {
  const { source, output } = programOf(new URL('../../docs/tethys.md', import.meta.url))
  const file = await written('tethys', source.replaceAll('3000', String(await freePort())))
  const { stdout } = await run(process.execPath, [file], { cwd: emptyDirectory(), timeout: 60_000 })
  expect(stdout).toBe(output)
}, 90_000)

test('the type without a scheduler in the page about adapters compiles, runs, and prints what it says', async () => {
  const { source, output } = programOf(new URL('../../docs/adapters.md', import.meta.url))
  const file = await written('adapters', source)
  const { stdout } = await run(process.execPath, [file], { cwd: emptyDirectory(), timeout: 60_000 })
  expect(stdout).toBe(output)
}, 90_000)

test("the README's first screen compiles as it stands, and runs a job", async () => {
  const { source } = programOf(new URL('../../README.md', import.meta.url), true)
  await written('readme', source)
  const port = await freePort()
  // A host that has signed somebody in, and another port: nothing else is changed.
  const signedIn = "app.use((req, _res, next) => { Object.assign(req, { user: { id: 'ada' } }); next() })\n"
  const file = await written(
    'readme-run',
    source.replace('app.use(telesto.middleware)', `${signedIn}$&`).replace('3000', String(port)),
  )
  const directory = emptyDirectory()
  writeFileSync(path.join(directory, 'model.sh'), '#!/bin/sh\necho "$@"\n')
  chmodSync(path.join(directory, 'model.sh'), 0o755)
  const server: ChildProcess = spawn(process.execPath, [file], { cwd: directory, stdio: 'inherit' })
  onTestFinished(() => void server.kill('SIGKILL'))
  const started = await vi.waitFor(
    async () => await fetch(`http://127.0.0.1:${port}/runs`, { method: 'POST', redirect: 'manual' }),
    { timeout: 20_000, interval: 100 },
  )
  expect(started.status).toBe(302)
  expect(started.headers.get('location')).toBe('/telesto/jobs/1')
  await vi.waitFor(
    async () => {
      const job = (await (await fetch(`http://127.0.0.1:${port}/telesto/api/jobs/1`)).json()) as { status: string }
      expect(job).toMatchObject({ status: 'Complete', name: 'run 1', exitCode: 0 })
    },
    { timeout: 20_000, interval: 100 },
  )
  const log = await fetch(`http://127.0.0.1:${port}/telesto/api/jobs/1/logs/window?name=stdout`)
  expect(await log.text()).toContain('--basin nile')
}, 90_000)

test('the task of the guide compiles as it stands, runs, and leaves its result', async () => {
  const [module = '', server = ''] = programOf(new URL('../../docs/using.md', import.meta.url)).source.split(
    /^(?=\/\/ server\.ts$)/m,
  )
  const file = await written('using', server, module)
  const directory = emptyDirectory()
  const running: ChildProcess = spawn(process.execPath, [file], { cwd: directory, stdio: 'inherit' })
  onTestFinished(() => void running.kill('SIGKILL'))
  const row = await vi.waitFor(
    () => {
      const database = new DatabaseSync(path.join(directory, '.telesto/telesto.db'), { readOnly: true })
      try {
        const found = database
          .prepare('SELECT status_code, result FROM telesto_attempts WHERE status_code IS NOT NULL')
          .get()
        if (!found) throw new Error('It has not ended yet.')
        return found
      } finally {
        database.close()
      }
    },
    { timeout: 40_000, interval: 200 },
  )
  expect(row).toEqual({ status_code: 'COM', result: '{"basin":"nile","mean":1113.25}' })
}, 90_000)
