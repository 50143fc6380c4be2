import { readdirSync, readFileSync } from 'node:fs'
import { SchedulerError, type Transport } from '../../src/adapter.js'

/**
 * One process of one boot of one machine. A pid alone names nothing: it is given out again. With the start time, and the
 * boot that both are counted from, it is unique.
 */
export interface Identity {
  readonly boot: string
  readonly pid: number
  /** Opaque: only equality means anything. */
  readonly start: string
}

/** undefined where the text is no identity. Never a pid below 2: a signal to the group of 0 or 1 would reach strangers. */
export const parseIdentity = (text: string): Identity | undefined => {
  const [, boot, digits, start] = /^([^:\s]+):([1-9]\d{0,9}):(\S+)$/.exec(text) ?? []
  const pid = Number(digits)
  return boot && start && pid > 1 ? { boot, pid, start } : undefined
}

export const formatIdentity = ({ boot, pid, start }: Identity): string => `${boot}:${pid}:${start}`

/** What one look tells of a living process. Zombies are not living. */
interface Seen {
  readonly start: string
  readonly stopped: boolean
}

/** How this kind of system tells about processes. Throws SchedulerError `unavailable` where it does not. */
export interface Processes {
  /** How the wrapper is to find its own start time, so that both sides write it alike. */
  readonly how: 'proc' | 'ps'
  /** Names the present boot; asked once, since a process cannot outlive it. */
  boot(): Promise<string>
  /** One question for all; the dead are missing from the answer. */
  look(pids: readonly number[]): Promise<ReadonlyMap<number, Seen>>
  /**
   * Living members of the sessions whose leaders are gone, where at least one of them carries the job's token in its
   * environment: the number of a session alone could be a later one's. Empty where the system cannot tell.
   */
  leftovers(sessions: ReadonlyMap<number, string>): readonly number[]
}

export const processesOf = (platform: NodeJS.Platform, transport: Transport): Processes =>
  platform === 'linux' ? procProcesses : psProcesses(transport)

const procProcesses: Processes = {
  how: 'proc',
  boot: async () => {
    try {
      return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    } catch (error) {
      throw new SchedulerError('unavailable', 'Linux does not tell its boot id: is /proc mounted?', { cause: error })
    }
  },
  // Synchronous: /proc never waits for a disk, and a signal may follow a look without a turn of the loop in between.
  look: async (pids) => {
    const seen = new Map<number, Seen>()
    for (const pid of pids) {
      const stat = readStat(pid)
      if (stat) seen.set(pid, { start: stat.start, stopped: stat.stopped })
    }
    return seen
  },
  leftovers: (sessions) => {
    if (sessions.size === 0) return []
    const members = new Map<number, number[]>()
    const ours = new Set<number>()
    for (const entry of readdirSync('/proc')) {
      const pid = Number(entry)
      const session = Number.isInteger(pid) ? readStat(pid)?.session : undefined
      const token = session === undefined ? undefined : sessions.get(session)
      if (session === undefined || token === undefined) continue
      members.set(session, [...(members.get(session) ?? []), pid])
      if (readEnvironment(pid).includes(`TELESTO_TOKEN=${token}`)) ours.add(session)
    }
    return [...members].flatMap(([session, pids]) => (ours.has(session) ? pids : []))
  },
}

const readStat = (pid: number) => {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch {
    return undefined
  }
  // The second field is the command's name in parentheses, and may itself contain some: count from the last one.
  const fields = text.slice(text.lastIndexOf(') ') + 2).split(' ')
  const [state = '', , , session] = fields
  const start = fields[19]
  if (start === undefined || /[ZXx]/.test(state)) return undefined
  return { start, session: Number(session), stopped: /[Tt]/.test(state) }
}

const readEnvironment = (pid: number): readonly string[] => {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0')
  } catch {
    return [] // gone, or another user's
  }
}

const psProcesses = (transport: Transport): Processes => ({
  how: 'ps',
  boot: async () => {
    for (const name of ['kern.bootsessionuuid', 'kern.boottime']) {
      const { code, stdout } = await transport.exec(['sysctl', '-n', name], { timeoutMs: 5000 })
      const word = new TextDecoder()
        .decode(stdout)
        .trim()
        .replaceAll(/[^\w-]+/g, '_')
      if (code === 0 && word) return word
    }
    throw new SchedulerError('unavailable', 'This system does not tell when it was booted (sysctl kern.boottime).')
  },
  look: async (pids) => {
    if (pids.length === 0) return new Map()
    const { stdout } = await transport.exec(['ps', '-o', 'pid=,lstart=,state=', '-p', pids.join(',')], {
      env: { LC_ALL: 'C', TZ: 'UTC0' }, // the same words as in the wrapper
      timeoutMs: 5000,
    })
    return parsePs(new TextDecoder().decode(stdout))
  },
  leftovers: () => [],
})

/** Lines of `ps -o pid=,lstart=,state=`: the start time is five words, which the wrapper joins alike. */
const parsePs = (text: string): ReadonlyMap<number, Seen> => {
  const seen = new Map<number, Seen>()
  for (const line of text.split('\n')) {
    const [pid, ...words] = line.trim().split(/\s+/)
    const state = words[5]
    if (pid && state && !state.startsWith('Z'))
      seen.set(Number(pid), { start: words.slice(0, 5).join('_'), stopped: state.startsWith('T') })
  }
  return seen
}
