import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { programOf } from '../docs/extract.js'

const root = fileURLToPath(new URL('../../', import.meta.url))
const run = promisify(execFile)
const directory = mkdtempSync(path.join(tmpdir(), 'telesto-packed-'))
const here = (...names: string[]): string => path.join(directory, ...names)
const npm = async (...args: string[]): Promise<string> =>
  (await run('npm', [...args, '--no-audit', '--no-fund', '--loglevel=error'], { cwd: directory })).stdout

/** The oldest Node that the package promises to run on. */
const { engines, version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
  engines: { node: string }
  version: string
}
const OLDEST = engines.node.replace('>=', '')

const freePort = async (): Promise<number> =>
  await new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })

// A user's project outside the repository: the package as it would be published, and beside it what a user installs.
beforeAll(async () => {
  await run('npm', ['pack', '--pack-destination', directory, '--loglevel=error'], { cwd: root })
  const [tarball] = readdirSync(directory).filter((name) => name.endsWith('.tgz'))
  writeFileSync(here('package.json'), JSON.stringify({ private: true, type: 'module', allowScripts: { node: true } }))
  await npm('install', `./${tarball}`, 'express', 'typescript', '@types/express', '@types/node@22', `node@${OLDEST}`)
}, 300_000)
afterAll(() => rmSync(directory, { recursive: true, force: true }))

test('the oldest Node that is promised is the one that runs it', async () => {
  const { stdout } = await run(here('node_modules/.bin/node'), ['--version'])
  expect(stdout).toMatch(new RegExp(`^v${OLDEST.replaceAll('.', '\\.')}\\.`))
})

test('its command tells its version, and makes a database', async () => {
  const telesto = async (...args: string[]) =>
    (
      await run(here('node_modules/.bin/node'), [here('node_modules/telesto/dist/src/cli/telesto.js'), ...args], {
        cwd: directory,
      })
    ).stdout
  expect((await telesto('--version')).trim()).toBe(version)
  await telesto('migrate')
  expect(readdirSync(here('.telesto'))).toContain('telesto.db')
})

test("the README's program compiles under exactOptionalPropertyTypes and runs a job", async () => {
  const port = await freePort()
  const { source } = programOf(new URL('../../README.md', import.meta.url), true)
  const signedIn = "app.use((req, _res, next) => { Object.assign(req, { user: { id: 'ada' } }); next() })\n"
  mkdirSync(here('src'), { recursive: true })
  writeFileSync(here('src', 'as-told.ts'), source)
  writeFileSync(
    here('src', 'main.ts'),
    source.replace('app.use(telesto.middleware)', `${signedIn}$&`).replace('3000', String(port)),
  )
  const compilerOptions = {
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    noUnusedLocals: true,
    module: 'nodenext',
    target: 'es2023',
    types: ['node'],
    rootDir: 'src',
    outDir: 'out',
    // Sequelize's own declarations do not pass: Telesto's shall, which name none of them.
    skipLibCheck: false,
  }
  writeFileSync(here('tsconfig.json'), JSON.stringify({ compilerOptions, include: ['src'] }))
  const compiled = await run('node_modules/.bin/tsc', ['-p', '.'], { cwd: directory }).catch(
    (error: { stdout: string }) => error,
  )
  expect(compiled.stdout).toBe('')

  writeFileSync(here('model.sh'), '#!/bin/sh\necho "$@"\n')
  chmodSync(here('model.sh'), 0o755)
  const server: ChildProcess = spawn(here('node_modules/.bin/node'), ['out/main.js'], {
    cwd: directory,
    stdio: 'inherit',
  })
  onTestFinished(async () => {
    server.kill('SIGKILL')
    await new Promise((resolve) => server.once('close', resolve))
  })
  const address = `http://127.0.0.1:${port}`
  const started = await vi.waitFor(async () => await fetch(`${address}/runs`, { method: 'POST', redirect: 'manual' }), {
    timeout: 30_000,
    interval: 100,
  })
  const at = started.headers.get('location') ?? ''
  expect(at).toMatch(/^\/telesto\/jobs\/\d+$/)
  await vi.waitFor(
    async () => {
      const job = await (await fetch(`${address}${at.replace('/jobs', '/api/jobs')}`)).json()
      expect(job).toMatchObject({ status: 'Complete', exitCode: 0 })
    },
    { timeout: 30_000, interval: 100 },
  )
  const page = await fetch(`${address}${at}`)
  expect([page.status, await page.text()]).toEqual([200, expect.stringContaining('Complete')])
})
