import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

/** What the machine of the scheduler saw of its visitors, by its own records. */
export interface Seen {
  /** Logins since it was started, by the log of sshd. */
  readonly logins: number
  /** Commands and file transfers over its connections, by the log of sshd. */
  readonly sessions: number
  /** HTCondor's commands with their arguments, by what stands before them on the PATH of the login. */
  readonly commands: readonly (readonly string[])[]
}

/** A login of a host whose commands are HTCondor's. */
export interface Login {
  readonly host: string
  readonly port: number
  readonly username: string
  readonly privateKeyPath: string
  readonly hostKey: string
}

/** A pool of HTCondor, and the sshd through which it is reached. */
export interface FarSide {
  readonly login: Login
  /** What was seen since this was last asked; of logins, all. */
  seen(): Seen
  /** A command of HTCondor by the account of the login, which is not counted. Answers what it wrote. */
  run(name: string, ...words: readonly string[]): string
  /** Takes all jobs out of the queue. */
  empty(): void
  stop(): void
}

const scriptOf = (name: string): string => fileURLToPath(new URL(`../../test/systems/${name}.sh`, import.meta.url))
const run = (name: string, command: string, env: NodeJS.ProcessEnv): string =>
  execFileSync(scriptOf(name), [command], { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
const told = (name: string, env: NodeJS.ProcessEnv): Readonly<Record<string, string>> =>
  Object.fromEntries(
    [...run(name, 'env', env).matchAll(/^export (\w+)=(.*)$/gm)].map(([, key, value]) => [key ?? '', value ?? '']),
  )

/** Stands before the commands of the pool: writes down that it was called, and how, and becomes the command. */
const shim = (bin: string, log: string): string => `#!/bin/sh
{ printf '%s' "\${0##*/}"; for word do printf '\\037%s' "$word"; done; echo; } >>'${log}'
exec '${bin}'/"\${0##*/}" "$@"
`

/** What a file has got since this was last asked, in whole lines. */
const growing = (file: string): (() => string) => {
  let known = 0
  return () => {
    const all = readFileSync(file)
    const end = all.lastIndexOf('\n') + 1
    const news = all.subarray(known, end).toString()
    known = end
    return news
  }
}

const countOf = (text: string, pattern: RegExp): number => text.match(pattern)?.length ?? 0

/** Installs the pool and sshd where they are not, and starts them. Needs root on Debian 12. */
export const startFarSide = (): FarSide => {
  if (spawnSync(scriptOf('condor'), ['status']).status === 0)
    throw new Error('The pool of test/systems/condor.sh runs already, perhaps for somebody else. Stop it first.')
  const root = mkdtempSync(path.join(tmpdir(), 'telesto-bench-condor-'))
  chmodSync(root, 0o755)
  let stopped = false
  let sshdEnv: NodeJS.ProcessEnv | undefined
  const stop = (): void => {
    if (stopped) return
    stopped = true
    if (sshdEnv) run('sshd', 'stop', sshdEnv)
    run('condor', 'stop', process.env)
    rmSync(root, { recursive: true, force: true })
  }
  process.once('exit', stop) // whatever the run ends by
  run('condor', 'start', process.env)
  const { SSHD_PATH: bin = '', SSHD_USERS: user = '' } = told('condor', process.env)
  const account = execFileSync('getent', ['passwd', user], { encoding: 'utf8' }).split(':')

  const shims = path.join(root, 'bin')
  const commandLog = path.join(root, 'commands.log')
  mkdirSync(shims)
  writeFileSync(commandLog, '')
  chownSync(commandLog, Number(account[2]), Number(account[3]))
  writeFileSync(path.join(shims, 'shim'), shim(bin, commandLog), { mode: 0o755 })
  for (const name of readdirSync(bin)) if (name.startsWith('condor_')) symlinkSync('shim', path.join(shims, name))

  sshdEnv = { ...process.env, SYSTEMS_ROOT: root, SSHD_USERS: user, SSHD_PATH: shims }
  run('sshd', 'start', sshdEnv)
  const sshd = told('sshd', sshdEnv)
  const empty = (): void => void run('condor', 'clean', process.env)
  empty()
  const commands = growing(commandLog)
  const visits = growing(sshd.SSHD_LOG ?? '')
  let logins = 0
  return {
    login: {
      host: '127.0.0.1',
      port: Number(sshd.SSHD_PORT),
      username: user,
      privateKeyPath: sshd.SSHD_KEY ?? '',
      hostKey: sshd.SSHD_HOST_KEY ?? '',
    },
    seen() {
      const visited = visits()
      logins += countOf(visited, /^Accepted (?:publickey|password)/gm)
      return {
        logins,
        sessions: countOf(visited, /^Starting session: /gm),
        commands: commands()
          .split('\n')
          .filter((line) => line !== '')
          .map((line) => line.split('\x1f')),
      }
    },
    run: (name, ...words) => execFileSync(path.join(bin, name), words, { encoding: 'utf8' }),
    empty,
    stop,
  }
}
