// sshd as a test wants it: its own port, keys and settings, and a log of its own. The keys of the login and the account are those
// of sshd.sh, whose `env` a test is given.
import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect } from 'vitest'
import type { SshTarget } from '../../src/transport/ssh-target.js'

export const given = (name: string): string => {
  const value = process.env[name]
  if (value === undefined) throw new Error(`${name} is not set: eval "$(test/systems/sshd.sh env)"`)
  return value
}
export const password = (): string => readFileSync(given('SSHD_PASSWORD_FILE'), 'utf8').trim()
/** The private key of the login of that type. */
export const keyOf = (type: 'ed25519' | 'rsa' | 'ecdsa'): string => path.join(given('SSHD_DIR'), `id_${type}`)
export const fingerprintOf = (file: string): string =>
  execFileSync('ssh-keygen', ['-lf', file]).toString().split(' ')[1] as string
export const sleep = (ms: number) => new Promise((settle) => setTimeout(settle, ms))

/** The server that sshd.sh keeps. */
export const givenTarget = (): SshTarget => ({
  host: '127.0.0.1',
  port: Number(given('SSHD_PORT')),
  username: given('SSHD_USER'),
  privateKeyPath: given('SSHD_KEY'),
  hostKey: given('SSHD_HOST_KEY'),
  directory: 'telesto',
})

export const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((settle) => server.once('listening', settle))
  const address = server.address()
  await new Promise((settle) => server.close(settle))
  return typeof address === 'object' && address ? address.port : 0
}

const childrenOf = (pid: number): number[] => {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
    return text === '' ? [] : text.split(' ').map(Number)
  } catch {
    return []
  }
}
const descendants = (pid: number): number[] => childrenOf(pid).flatMap((child) => [child, ...descendants(child)])
const signal = (pids: readonly number[], name: NodeJS.Signals): void => {
  for (const pid of pids) {
    try {
      process.kill(pid, name)
    } catch {
      // gone already
    }
  }
}

export interface SshServer {
  /** With the ed25519 key of the login, and the first host key pinned. */
  readonly target: SshTarget
  readonly directory: string
  log(): string
  /** How often that stands in the log. */
  count(text: string | RegExp): number
  /** Ends all sessions as a failing network would, and keeps the server. */
  drop(): void
  /** Server and sessions stand still, as a host does that hangs. */
  freeze(): void
  thaw(): void
  start(): Promise<void>
  stop(): Promise<void>
}

/** `settings` are lines of sshd_config, which win over these; `hostKeys` are types that ssh-keygen makes. */
export const startSshd = async (
  settings: readonly string[] = [],
  hostKeys: readonly string[] = ['ed25519'],
): Promise<SshServer> => {
  const directory = mkdtempSync(path.join(tmpdir(), 'telesto-sshd-'))
  chmodSync(directory, 0o755) // the session processes read their keys as the account
  mkdirSync('/run/sshd', { recursive: true })
  const files = hostKeys.map((type, index) => {
    const file = path.join(directory, `host_${index}_${type}`)
    execFileSync('ssh-keygen', ['-q', '-t', type, '-N', '', '-f', file])
    return file
  })
  const port = await freePort()
  const config = path.join(directory, 'sshd_config')
  const own = [
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    ...files.map((file) => `HostKey ${file}`),
    'PidFile none',
    `AuthorizedKeysFile ${path.join(given('SSHD_DIR'), 'keys/authorized_keys')}`,
    'StrictModes no',
    'KbdInteractiveAuthentication no',
    'UsePAM no',
    'LogLevel VERBOSE',
    'Subsystem sftp internal-sftp',
  ]
  const keyword = (line: string) => line.split(' ')[0]
  const others = own.filter((line) => !settings.some((setting) => keyword(setting) === keyword(line)))
  writeFileSync(config, [...settings, ...others, ''].join('\n'))
  const logFile = path.join(directory, 'sshd.log')
  let child: ReturnType<typeof spawn> | undefined
  const pids = () => (child?.pid === undefined ? [] : [child.pid, ...descendants(child.pid)])

  const atExit = () => void child?.kill()

  const server: SshServer = {
    directory,
    target: { ...givenTarget(), port, hostKey: fingerprintOf(`${files[0]}.pub`) },
    log: () => readFileSync(logFile, 'utf8'),
    count: (text) => server.log().split(text).length - 1,
    drop: () => signal(child?.pid === undefined ? [] : childrenOf(child.pid), 'SIGTERM'),
    freeze: () => signal(pids(), 'SIGSTOP'),
    thaw: () => signal(pids(), 'SIGCONT'),
    async start() {
      child = spawn('/usr/sbin/sshd', ['-D', '-E', logFile, '-f', config], { stdio: 'ignore' })
      process.once('exit', atExit) // where a test took too long
      writeFileSync(logFile, '', { flag: 'a' })
      const listening = server.count('Server listening') + 1
      await expect.poll(() => server.count('Server listening')).toBe(listening)
    },
    async stop() {
      const all = pids()
      const ended = new Promise((settle) => child?.once('close', settle))
      signal(all, 'SIGKILL')
      if (child) await ended
      child = undefined
      process.off('exit', atExit)
    },
  }
  await server.start()
  return server
}

/** Stops the server and removes what it had. */
export const removeSshd = async (server: SshServer | undefined): Promise<void> => {
  await server?.stop()
  if (server) rmSync(server.directory, { recursive: true, force: true })
}
