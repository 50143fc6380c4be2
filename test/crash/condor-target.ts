import { execFile, spawnSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { type Started, startSystem } from '../systems/started.ts'
import { wordOf } from './story.ts'
import type { Place, Proc, Run, Target } from './target.ts'

/** Jobs mostly sleep: more of them than there are processors. */
const CPUS = 24

/** One process of a job. The directory that it runs in begins with the attempt's number; every second process ends well. */
const SCRIPT = [
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the shell's
  'attempt=${PWD##*/}; shift "$((${attempt%%-*} - 1))"',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the shell's
  'beats=${1%%:*} rest=${1#*:}; code=${rest%%:*}',
  `[ "\${rest#*:}" != deaf ] || trap '' TERM`,
  'sleep "$((beats / 10)).$((beats % 10))"',
  'exit "$((PROC % 2 ? 0 : code))"',
].join('; ')

/** What takes its time there now and then, before it does its work and after: so a kill finds it at that, and the next server too. */
const dawdling = (command: string, slow: boolean): string => `#!/bin/sh
dawdle() {
  set -- $(od -An -N2 -tu1 /dev/urandom)
  case $(($1 % ${slow ? 2 : 12})) in 0) sleep ${slow ? 3 : 2} ;; [1-3]) sleep "0.$(($2 % 9))" ;; esac
}
dawdle
'${command}' "$@"
code=$?
dawdle
exit $code
`

/** What HTCondor knows of one process, in its queue or its history. */
interface Ad {
  readonly TelestoToken: string
  /** The name of the job. */
  readonly JobBatchName: string
  readonly ClusterId: number
  readonly ProcId: number
  readonly JobStatus: number
  readonly ExitCode?: number
  readonly JobStartDate?: number
  readonly CompletionDate?: number
  readonly EnteredCurrentStatus: number
}
const ATTRIBUTES =
  'TelestoToken,JobBatchName,ClusterId,ProcId,JobStatus,ExitCode,JobStartDate,CompletionDate,EnteredCurrentStatus'
const REMOVED = 3
const COMPLETED = 4

const procOf = ({ JobStatus, ExitCode }: Ad): Proc => {
  if (JobStatus === REMOVED) return { ending: 'cancelled' }
  if (JobStatus !== COMPLETED) return { ending: 'unknown' }
  if (ExitCode === undefined) return { ending: 'failed' }
  return { ending: ExitCode === 0 ? 'succeeded' : 'failed', exitCode: ExitCode }
}

/** The processes of one cluster that have one token. */
const runOf = (ads: readonly Ad[]): Run => {
  const [first, last] = [ads[0], ads.at(-1)] as [Ad, Ad]
  const starts = ads.flatMap(({ JobStartDate }) => JobStartDate ?? [])
  const startedAt = Math.min(...starts)
  const endedAt = Math.max(
    ...ads.map(({ CompletionDate, EnteredCurrentStatus }) => CompletionDate || EnteredCurrentStatus),
  )
  return {
    token: first.TelestoToken,
    id: `${first.ClusterId}.${first.ProcId}${first === last ? '' : `-${last.ProcId}`}`,
    procs: ads.map(procOf),
    seenEnd: true,
    ...(starts.length === 0 ? {} : { from: startedAt, until: endedAt, startedAt, endedAt }),
  }
}

/** By the jobs' keys. */
const runsOf = (ads: readonly Ad[]): Map<string, Run[]> => {
  const inOrder = ads.toSorted((a, b) => a.ClusterId - b.ClusterId || a.ProcId - b.ProcId)
  const submissions = Map.groupBy(inOrder, (ad) => `${ad.TelestoToken} ${ad.ClusterId}`)
  const runs = new Map<string, Run[]>()
  for (const submission of submissions.values()) {
    const key = submission[0]?.JobBatchName ?? ''
    runs.set(key, [...(runs.get(key) ?? []), runOf(submission)])
  }
  return runs
}

/** A link that says what was decided about a token. */
const claimOf = (directory: string, token: string): string | undefined => {
  try {
    return readlinkSync(join(directory, '.telesto', `claim-${token}`))
  } catch {
    return undefined
  }
}

/** The connections of an SSH server: its own processes, and not the commands that run in them. */
const sessionsOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    .split(' ')
    .filter(Boolean)
    .map(Number)
    .flatMap((child) => {
      try {
        const isServer = readFileSync(`/proc/${child}/comm`, 'utf8').startsWith('sshd')
        return isServer ? [child, ...sessionsOf(child)] : []
      } catch {
        return [] // gone meanwhile
      }
    })

/** A pool of HTCondor and an SSH server before it, both of this run's own. The jobs' directories are below `root`. */
export const startCondor = async (root: string, slow = false): Promise<Target> => {
  const pool = await startSystem('condor.sh', { CONDOR_CPUS: String(CPUS) })
  let sshd: Started | undefined
  const stop = async (): Promise<void> => {
    await sshd?.stop()
    await pool.stop()
  }
  try {
    const { CONDOR_DIR = '', CONDOR_USER: username = '' } = pool.env
    const bin = join(CONDOR_DIR, 'bin')
    // The account of the pool has to come by.
    chmodSync(root, 0o755)
    const [directory, commands] = [join(root, 'target'), join(root, 'bin')]
    for (const folder of [directory, commands]) mkdirSync(folder)
    const [, , uid, gid] = spawnSync('getent', ['passwd', username], { encoding: 'utf8' }).stdout.split(':')
    chownSync(directory, Number(uid), Number(gid))
    for (const command of [join(bin, 'condor_submit'), '/usr/bin/tar'])
      writeFileSync(join(commands, basename(command)), dawdling(command, slow), { mode: 0o755 })
    sshd = await startSystem('sshd.sh', { SSHD_USERS: username, SSHD_PATH: `${commands}:${bin}` })
    return targetOn(sshd, bin, username, directory, stop)
  } catch (error) {
    await stop()
    throw error
  }
}

const targetOn = (
  sshd: Started,
  bin: string,
  username: string,
  directory: string,
  stop: () => Promise<void>,
): Target => {
  const { SSHD_DIR = '', SSHD_PORT: port, SSHD_KEY: privateKeyPath, SSHD_HOST_KEY: hostKey } = sshd.env
  const ours = `TelestoToken =!= undefined && substr(Iwd, 0, ${directory.length}) == "${directory}"`
  const ask = async (command: string, ...args: string[]): Promise<string> =>
    (await promisify(execFile)(join(bin, command), [...args, '-constraint', ours], { maxBuffer: 2 ** 28 })).stdout
  const adsIn = async (command: 'condor_q' | 'condor_history'): Promise<Ad[]> => {
    const json = await ask(command, '-json', '-attributes', ATTRIBUTES)
    return json.trim() === '' ? [] : (JSON.parse(json) as Ad[])
  }
  return {
    scheduler: {
      adapter: 'condor',
      name: 'pool',
      config: { host: '127.0.0.1', port: Number(port), username, privateKeyPath, hostKey, directory },
      maxActiveJobs: CPUS,
    },
    repertoire: { unmounts: false, mostProcs: 4 },
    leaseSeconds: 15,
    underWay: 3 * CPUS,
    optionsOf: ({ behaviours, procs }) => ({
      jobType: 'CONDOR',
      executable: '/bin/sh',
      transferExecutable: false,
      arguments: ['-c', SCRIPT, 'job', ...behaviours.map(wordOf)],
      numJobs: procs,
      attributes: { environment: 'PROC=$(Process)' },
    }),
    idOf: (nativeId) => nativeId,
    isClaimed({ workdir, token }: Place) {
      const claim = claimOf(workdir, token)
      return claim !== undefined && claim !== 'absent'
    },
    runs: async () => runsOf([...(await adsIn('condor_history')), ...(await adsIn('condor_q'))]),
    alive: async () =>
      (await adsIn('condor_q')).map(
        ({ ClusterId, ProcId, TelestoToken }) => `${ClusterId}.${ProcId} of ${TelestoToken}`,
      ),
    directories: () => idsIn(join(directory, 'crash', 'ann')),
    cut() {
      const [pid] = readFileSync(join(SSHD_DIR, 'run', 'sshd.pid'), 'utf8').split(' ')
      for (const session of sessionsOf(Number(pid)).reverse()) {
        try {
          process.kill(session, 'SIGKILL')
        } catch {
          // gone by itself
        }
      }
    },
    clear: async () => void (await ask('condor_rm').catch(() => '')), // It fails where there is nothing to remove.
    stop,
  }
}

/** Jobs of which more is left than the claims of tokens that were given up: those must stay. */
const idsIn = (folder: string): number[] => {
  const namesIn = (path: string): string[] => {
    try {
      return readdirSync(path)
    } catch {
      return []
    }
  }
  const isLeft = (attempt: string): boolean =>
    namesIn(attempt).some((name) => name !== '.telesto') ||
    namesIn(join(attempt, '.telesto')).some((name) => claimOf(attempt, name.replace(/^claim-/, '')) !== 'absent')
  return namesIn(folder)
    .filter((id) => namesIn(join(folder, id)).some((attempt) => isLeft(join(folder, id, attempt))))
    .map(Number)
}
