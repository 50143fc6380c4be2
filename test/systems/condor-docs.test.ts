// What the documents tell of HTCondor, as it stands there, on a real pool.
import { execFile, spawn } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, onTestFinished, test, vi } from 'vitest'
import { blocksOf, programOf } from '../docs/extract.js'
import { written } from '../docs/written.js'

const run = promisify(execFile)
const TETHYS = new URL('../../docs/tethys.md', import.meta.url)
const CONDOR = new URL('../../docs/condor.md', import.meta.url)

const PORT = 3457
const onPort = (source: string): string => source.replaceAll('3000', String(PORT))
// Written while this process may write here: what comes after is an ordinary account's.
const twin = await written('tethys-condor', blocksOf(TETHYS, 'typescript')[0] ?? '')
const server = await written('condor-server', onPort(programOf(CONDOR, true).source))
const attributes = await written('condor-attributes', onPort(programOf(CONDOR).source))
const { sshTarget } = await import('./condor-pool.js')

const emptyDirectory = (): string => {
  const directory = mkdtempSync(path.join(tmpdir(), 'telesto-docs-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }))
  return directory
}
/** A server of the page, until the test ends or it is stopped. */
const serving = (file: string, cwd: string) => {
  const child = spawn(process.execPath, [file], { cwd, stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise((resolve) => child.once('close', resolve))
  let output = ''
  child.stdout.on('data', (text: Buffer) => {
    output += text.toString()
  })
  const stop = async () => {
    child.kill('SIGKILL')
    await ended
  }
  onTestFinished(stop)
  return { stop, output: () => output }
}

test("Tethys' example of a CONDOR job: its twin prints what the page says", async () => {
  const directory = emptyDirectory()
  const workspace = path.join(directory, 'workspace')
  mkdirSync(workspace)
  writeFileSync(
    path.join(workspace, 'my_script.py'),
    '#!/usr/bin/env python3\nprint(open("input_1").read() + open("input_2").read())\n',
  )
  chmodSync(path.join(workspace, 'my_script.py'), 0o755)
  for (const name of ['input_1', 'input_2']) writeFileSync(path.join(workspace, name), name)
  const { stdout } = await run(process.execPath, [twin], { cwd: directory, timeout: 60_000 })
  expect(stdout).toBe(blocksOf(TETHYS, 'text')[0])
}, 90_000)

test('from nothing to a job on a pool behind SSH', async () => {
  const directory = emptyDirectory()
  const { port, username, privateKeyPath = '' } = sshTarget()
  copyFileSync(privateKeyPath, path.join(directory, 'id_ed25519'))
  chmodSync(path.join(directory, 'id_ed25519'), 0o600)
  const telesto = `'${process.execPath}' '${fileURLToPath(new URL('../../dist/src/cli/telesto.js', import.meta.url))}'`
  const shell = async (script: string) => await run('/bin/sh', ['-ec', script], { cwd: directory, timeout: 60_000 })
  const told = (line: string): string => {
    const command = line
      .replace(/^npx telesto/, telesto)
      .replace('login.pool.example', `127.0.0.1 --port ${port}`)
      .replace('ada', username)
      .replace('~/.ssh/id_ed25519', path.join(directory, 'id_ed25519'))
    expect(command).not.toBe(line)
    return command
  }

  const [make = '', configure = '', start = ''] = blocksOf(CONDOR, 'sh')
  await shell(make.replace(/^(npm install|mkdir portal) .*$/gm, ''))
  const first = serving(server, directory)
  await vi.waitFor(async () => expect((await fetch(`http://127.0.0.1:${PORT}/telesto/jobs`)).status).toBe(200), {
    timeout: 20_000,
    interval: 200,
  })
  const [create = '', ask = '', accept = '', link = ''] = configure.trim().split('\n').map(told)
  await shell(create)
  const unknown = (await shell(ask).catch((error: unknown) => error)) as {
    readonly code: number
    readonly stderr: string
  }
  const fingerprint = /SHA256:[A-Za-z0-9+/]{43}/.exec(unknown.stderr)?.[0] ?? unknown.stderr
  expect([unknown.code, fingerprint]).toEqual([3, sshTarget().hostKey])
  await shell(accept.replace('SHA256:…', fingerprint))
  await shell(link)

  const { stdout } = await shell(onPort(start))
  const id = /^location: .*\/jobs\/(\d+)/im.exec(stdout)?.[1]
  const api = `http://127.0.0.1:${PORT}/telesto/api/jobs/${id}`
  await vi.waitFor(
    async () => {
      const { status, reason } = (await (await fetch(api)).json()) as { status: string; reason: string | null }
      expect([status, reason]).toEqual(['Complete', null])
    },
    { timeout: 60_000, interval: 300 },
  )
  const { logs } = (await (await fetch(`${api}/logs`)).json()) as { logs: readonly { readonly name: string }[] }
  const out = logs.find(({ name }) => /^logs\/nile_\d+\.\d+\.\d+\.out$/.test(name))?.name ?? JSON.stringify(logs)
  const text = await (await fetch(`${api}/logs/window?name=${encodeURIComponent(out)}`)).text()
  expect(text).toMatch(/^the Nile runs on .*\n3 nile\.csv\n$/)
  await first.stop()

  const second = serving(attributes, directory)
  // The server says where it is, whenever it is there.
  const said = () => second.output().replace(`http://127.0.0.1:${PORT}/telesto\n`, '')
  await vi.waitFor(() => expect(said()).toBe(programOf(CONDOR).output), { timeout: 20_000, interval: 200 })
}, 150_000)
