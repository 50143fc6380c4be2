// The pool of condor.sh as tests use it, here and over SSH: as an ordinary account, with ways to break what lies between.
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { vi } from 'vitest'
import type { Harness, Link } from '../../adapters/testing.js'
import { type ExecOptions, type ExecResult, SchedulerError, type Transport } from '../../src/adapter.js'
import { localTransport } from '../../src/transport/local.js'
import { sshTransport } from '../../src/transport/ssh.js'
import type { SshTarget } from '../../src/transport/ssh-target.js'
import { becomeAccount } from './account.js'

const given = (name: string): string => {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set: start these tests with npm run test:systems -- condor.`)
  return value
}

// Only root can read the key of the login; a copy goes with the account.
const key = readFileSync(given('SSHD_KEY'))
becomeAccount(given('CONDOR_USER'))
const own = mkdtempSync(join(tmpdir(), 'telesto-condor-'))
const keyFile = join(own, 'key')
writeFileSync(keyFile, key, { mode: 0o600 })
process.once('exit', () => rmSync(own, { recursive: true, force: true }))

export const sshTarget = (port = Number(given('SSHD_PORT'))): SshTarget => ({
  host: '127.0.0.1',
  port,
  username: given('SSHD_USER'),
  privateKeyPath: keyFile,
  hostKey: given('SSHD_HOST_KEY'),
  directory: 'telesto',
})

/** What a command of the pool prints. */
export const pool = (command: string, ...args: string[]): string => execFileSync(command, args, { encoding: 'utf8' })

export const SPECS = {
  succeeds: { executable: '/bin/true' },
  fails: (code: number) => ({ executable: '/bin/sh', arguments: ['-c', `exit ${code}`] }),
  runs: { executable: '/bin/sleep', arguments: ['600'] },
  prints: (words: readonly string[]) => ({
    executable: '/bin/sh',
    arguments: ['-c', 'printf "%s\\0" "$@"', 'sh', ...words],
  }),
  invalid: { executable: 'is-not-there' },
}

/** A folder whose programs come before those of the pool: `shims({ condor_submit: 'sh text' })`. */
export const shims = (programs: Readonly<Record<string, string>>): string => {
  const folder = mkdtempSync(join(own, 'bin-'))
  for (const [name, text] of Object.entries(programs)) {
    writeFileSync(join(folder, name), `#!/bin/sh\nPATH=${given('SSHD_PATH')}:/usr/bin:/bin\n${text}\n`)
    chmodSync(join(folder, name), 0o755)
  }
  return folder
}
/** The environment of a command that finds the programs of this folder first. */
export const withShims = (folder: string) => ({ PATH: `${folder}:${given('SSHD_PATH')}:/usr/bin:/bin` })

/** condor_submit takes the first jobs of its input, and then loses the schedd. */
export const losesScheddAfter = (jobs: number): string =>
  shims({
    condor_submit: `if [ -e "$0.done" ]; then exec >/dev/null; else : >"$0.done"; head -n ${jobs} | condor_submit "$@" || exit; fi
echo 'ERROR: Failed to connect to local queue manager' >&2
exit 1`,
  })

/** A transport between which and the adapter something may be put. */
export const bent = (transport: Transport) => {
  let change: (call: (options?: ExecOptions) => Promise<ExecResult>, options?: ExecOptions) => Promise<ExecResult>
  const straight: typeof change = (call, options) => call(options)
  change = straight
  const asText = (text: string) => new TextEncoder().encode(text)
  const link: Link = {
    garble: () => {
      change = async (call, options) => ({ ...(await call(options)), stdout: asText('%$ {"a": [\n\0<html>') })
    },
    chatter: () => {
      change = async (call, options) => {
        const result = await call(options)
        const stdout = Buffer.concat([asText('* Welcome to the cluster! *\n'), result.stdout, asText('\nGood bye.\n')])
        return { ...result, stdout, stderr: Buffer.concat([asText('WARNING: maintenance\n'), result.stderr]) }
      }
    },
    cutAfterSubmits: (jobs) => {
      const folder = losesScheddAfter(jobs)
      change = (call, options) => call({ ...options, env: { ...options?.env, ...withShims(folder) } })
    },
    heal: () => {
      change = straight
    },
  }
  const exec: Transport['exec'] = (argv, options) => change((now) => transport.exec(argv, now), options)
  return { transport: { ...transport, exec } satisfies Transport, link }
}

const harnessOf = (
  transport: Transport,
  link: Link,
  workdir: Harness['workdir'],
  outputOf: (workdir: string) => string,
  stop: () => Promise<void>,
): Harness => ({
  config: { password: 'canary-of-the-password', privateKeyPass: 'canary-of-the-key' },
  jobType: 'CONDOR',
  workdir,
  specs: SPECS,
  output: async (job) => readFileSync(join(outputOf(job.workdir), 'out')),
  nameOf: async ({ token }) => {
    const name = pool('condor_q', '-constraint', `TelestoToken == "${token}"`, '-af', 'JobBatchName').slice(0, -1)
    return name === 'undefined' || name === '' ? undefined : name
  },
  transport,
  link,
  many: 100,
  patience: 120_000,
  stop,
})

const NASTY = `telesto "kit" 'x' $HOME & é `

export const localHarness = async (): Promise<Harness> => {
  const root = mkdtempSync(join(tmpdir(), NASTY))
  const { transport, link } = bent(localTransport())
  return harnessOf(
    transport,
    link,
    (token) => join(root, token),
    (workdir) => workdir,
    async () => {
      await transport.close()
      rmSync(root, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
    },
  )
}

/** Over SSH, through a way that may be cut or hang; the directories are relative to the home of the login. */
export const sshHarness = async (): Promise<Harness> => {
  const way = await openWay()
  // What was cut is there again as soon as it is healed: nobody waits to connect.
  const { transport, link } = bent(sshTransport(sshTarget(way.port), { reopenSeconds: 0 }))
  const home = given('HOME')
  const folder = mkdtempSync(join(home, NASTY)).slice(home.length + 1)
  // All is well again only when the connection that hung is known to be gone.
  const heal = async () => {
    way.restore()
    await link.heal()
    await vi.waitFor(async () => await transport.exec(['true']), { timeout: 10_000, interval: 100 })
  }
  return harnessOf(
    transport,
    { ...link, cut: way.cut, hang: way.hang, heal },
    (token) => join(folder, token),
    (workdir) => join(home, workdir),
    async () => {
      await transport.close()
      await way.close()
      rmSync(join(home, folder), { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
    },
  )
}

/** A way to the sshd that can be cut, or swallow all that is sent. */
const openWay = async () => {
  const sockets = new Set<Socket>()
  let state: 'open' | 'cut' | 'hung' = 'open'
  const server = createServer((near) => {
    sockets.add(near)
    near.on('error', () => {})
    near.on('close', () => sockets.delete(near))
    if (state === 'cut') return void near.destroy()
    if (state === 'hung') return void near.pause()
    const far = connect(Number(given('SSHD_PORT')), '127.0.0.1')
    sockets.add(far)
    far.on('error', () => near.destroy())
    far.on('close', () => {
      sockets.delete(far)
      near.destroy()
    })
    near.on('close', () => far.destroy())
    near.on('data', (bytes) => state === 'open' && far.write(bytes))
    far.on('data', (bytes) => state === 'open' && near.write(bytes))
  }).listen(0, '127.0.0.1')
  await new Promise((settle) => server.once('listening', settle))
  const address = server.address()
  const endAll = () => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    cut: () => {
      state = 'cut'
      endAll()
    },
    hang: () => {
      state = 'hung'
    },
    restore: () => {
      if (state === 'hung') endAll() // bytes were lost
      state = 'open'
    },
    close: async () => {
      endAll()
      await new Promise((settle) => server.close(settle))
    },
  }
}

export const failed = (error: unknown): SchedulerError => {
  if (error instanceof SchedulerError) return error
  throw new Error(`No SchedulerError: ${String(error)}`)
}
