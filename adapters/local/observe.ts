import { constants } from 'node:os'
import { type JobRef, type JobReport, SchedulerError, type Token } from '../../src/adapter.js'
import { together } from '../together.js'
import { type Fact, placeOf, readFact } from './facts.js'
import { type Identity, type Processes, parseIdentity } from './processes.js'
import type { Told } from './task.js'

/** What this machine tells of one job: from its files, and from one look at the processes. */
export type Observation = { readonly startedAt: Date; readonly identity: Identity; readonly cancelledAt?: Date } & (
  | { readonly now: 'running' | 'suspended' }
  /** `asked`: a TERM came before the command ended. */
  | { readonly now: 'ended'; readonly code: number; readonly asked: boolean; readonly endedAt: Date }
  /** Nobody is left to say how it ended: the machine was restarted, or the wrapper was killed. */
  | { readonly now: 'rebooted' | 'vanished' }
)

export interface Observed {
  readonly jobs: ReadonlyMap<Token, Observation>
  /** Jobs whose files could not be read: nothing is known of them, least of all that they ended. */
  readonly unreadable: ReadonlyMap<Token, SchedulerError>
}

const FILES_AT_ONCE = 32

/**
 * One pass over many jobs. Jobs of which there is no claim, or another one than `nativeId` says, are missing from the
 * answer. What is left of a job whose wrapper was killed is killed too: it can no longer be accounted for, and would
 * otherwise go on beside a second attempt.
 */
export const observe = async (
  jobs: readonly JobRef[],
  processes: Processes,
  boot: string,
  signal: AbortSignal,
): Promise<Observed> => {
  const found = new Map<Token, Observation>()
  const unreadable = new Map<Token, SchedulerError>()
  const reading = async (token: Token, read: () => Promise<void>) => {
    try {
      await read()
    } catch (error) {
      if (!(error instanceof SchedulerError)) throw error
      // A token or a directory that cannot be anyone's was never submitted: a gap.
      if (error.code !== 'invalid_job') unreadable.set(token, error)
    }
  }
  const open: { ref: JobRef; identity: Identity }[] = []
  await together(jobs, FILES_AT_ONCE, signal, (ref) =>
    reading(ref.token, async () => {
      const files = await readFiles(ref)
      if (files?.end) found.set(ref.token, { ...files.known, ...files.end })
      else if (files) open.push({ ref, identity: files.known.identity })
    }),
  )

  const here = open.filter(({ identity }) => identity.boot === boot)
  const seen = await processes.look(here.map(({ identity }) => identity.pid))
  const vanished = new Map<number, Token>()
  await together(open, FILES_AT_ONCE, signal, ({ ref, identity }) =>
    reading(ref.token, async () => {
      const sameBoot = identity.boot === boot
      const living = sameBoot ? seen.get(identity.pid) : undefined
      // Again: it may have written its exit code and gone between the two looks. Having gone, it can write no more.
      const files = await readFiles(ref)
      if (!files) return
      const { known, end } = files
      if (living?.start === identity.start)
        found.set(ref.token, { ...known, now: living.stopped ? 'suspended' : 'running' })
      else {
        // A number that is in use again cannot lead a session in which something of the job is left.
        if (sameBoot && !end && !living) vanished.set(identity.pid, ref.token)
        found.set(ref.token, { ...known, ...(end ?? { now: sameBoot ? 'vanished' : 'rebooted' }) })
      }
    }),
  )
  for (const pid of processes.leftovers(vanished)) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // gone by itself
    }
  }
  return { jobs: found, unreadable }
}

/** undefined where no process claimed the job, or another one than `nativeId` says. */
const readFiles = async (ref: JobRef) => {
  const place = placeOf(ref)
  const claim = await readFact(place, 'claim')
  const identity = claim && claim.text === ref.nativeId ? parseIdentity(claim.text) : undefined
  if (!claim || !identity) return undefined
  const end = parseExit(await readFact(place, 'exit'))
  // After the exit code, because it is written before a signal: a cancel that ended the job is never overlooked.
  const cancel = await readFact(place, 'cancel')
  return { known: { identity, startedAt: claim.at, ...(cancel && { cancelledAt: cancel.at }) }, end }
}

const parseExit = (fact: Fact | undefined) => {
  const [, code, asked] = /^exit:(\d{1,3}):([01])$/.exec(fact?.text ?? '') ?? []
  if (!fact || code === undefined) return undefined
  return { now: 'ended', code: Number(code), asked: asked === '1', endedAt: fact.at } as const
}

/** The observation, and what a task told, in the words of the contract. */
export const reportOf = (observation: Observation, { progress, message, error }: Told): JobReport => ({
  ...stateOf(observation, error),
  ...(progress === undefined ? {} : { progress }),
  ...(message === undefined ? {} : { statusMessage: message }),
})

const stateOf = (observation: Observation, error: string | undefined): JobReport => {
  const { startedAt, cancelledAt } = observation
  switch (observation.now) {
    case 'running':
    case 'suspended':
      return { state: observation.now, nativeState: observation.now === 'running' ? 'running' : 'stopped', startedAt }
    case 'ended': {
      const { code, asked, endedAt } = observation
      const times = { startedAt, endedAt }
      const nativeState = signalOf(code) ?? `exit ${code}`
      // TERM and KILL count as the cancel's even where the wrapper did not see its own copy.
      if (
        cancelledAt &&
        (asked || code === 128 + constants.signals.SIGTERM || code === 128 + constants.signals.SIGKILL)
      )
        return { state: 'cancelled', nativeState, exitCode: code, ...times }
      if (code === 0) return { state: 'succeeded', nativeState, exitCode: 0, ...times }
      return { state: 'failed', nativeState, exitCode: code, message: error ?? explain(code), ...times }
    }
    default: {
      const reboot = observation.now === 'rebooted'
      const nativeState = reboot ? 'machine restarted' : 'gone'
      if (cancelledAt) return { state: 'cancelled', nativeState, startedAt }
      const message = reboot
        ? 'The machine was restarted while the job ran.'
        : 'The wrapper of the job was killed from outside, so that its exit code is not known.'
      return { state: 'failed', cause: 'node', nativeState, message, startedAt }
    }
  }
}

const signalOf = (code: number): string | undefined =>
  Object.entries(constants.signals).find(([, number]) => number === code - 128)?.[0]

const explain = (code: number): string => {
  if (code === 127) return 'The command was not found (exit code 127).'
  if (code === 126) return 'The command was found but could not be executed (exit code 126).'
  const signal = signalOf(code)
  return signal
    ? `The command was ended by ${signal} (exit code ${code}).`
    : `The command ended with exit code ${code}.`
}
