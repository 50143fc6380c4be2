import { type Answer, type JobRef, type Logger, SchedulerError, type Token } from '../../src/adapter.js'
import { placeOf, writeFact } from './facts.js'
import type { Observation, Observed } from './observe.js'
import type { Identity, Processes } from './processes.js'

export interface Stopper {
  /** Ends the jobs that are alive: TERM now, KILL when the grace since the first cancel is over. */
  stop(jobs: readonly JobRef[], observed: Observed): Promise<ReadonlyMap<Token, Answer>>
  /** Kills what was cancelled longer ago than the grace: whoever asked may have gone since. */
  finish(observed: Observed): Promise<void>
  /** Sends a signal to those that are still the processes they were; answers which. */
  signal(identities: readonly Identity[], ...signals: readonly NodeJS.Signals[]): Promise<ReadonlySet<Identity>>
  close(): void
}

export const isLive = (observation: Observation | undefined): observation is Observation =>
  observation?.now === 'running' || observation?.now === 'suspended'

export const createStopper = (processes: Processes, graceMs: number, log: Logger): Stopper => {
  const timers = new Set<NodeJS.Timeout>()

  // Looks and signals without a turn of the loop in between, so that a number has no time to become another process's.
  // The caller has seen that the boot is the present one.
  const signal: Stopper['signal'] = async (identities, ...signals) => {
    const reached = new Set<Identity>()
    const seen = await processes.look(identities.map(({ pid }) => pid))
    for (const identity of identities) {
      if (seen.get(identity.pid)?.start !== identity.start) continue
      for (const name of signals) {
        try {
          process.kill(-identity.pid, name)
          reached.add(identity)
        } catch {
          // gone in this instant
        }
      }
    }
    return reached
  }

  const isOverdue = ({ cancelledAt }: Observation) =>
    cancelledAt !== undefined && Date.now() - cancelledAt.getTime() >= graceMs

  const killLater = (identities: readonly Identity[]) => {
    const timer = setTimeout(() => {
      timers.delete(timer)
      signal(identities, 'SIGKILL').catch((error: unknown) =>
        log.warn({ error }, 'a cancelled job could not be killed'),
      )
    }, graceMs)
    timer.unref()
    timers.add(timer)
  }

  return {
    signal,
    stop: async (jobs, observed) => {
      const answers = new Map<Token, Answer>(jobs.map(({ token }) => [token, observed.unreadable.get(token) ?? 'ok']))
      const [gently, hard]: [Identity[], Identity[]] = [[], []]
      for (const job of jobs) {
        const observation = observed.jobs.get(job.token)
        if (!isLive(observation)) continue
        try {
          // Written first: a crash after the signal must not make a failure of what was cancelled.
          await writeFact(placeOf(job), 'cancel', 'telesto:cancel')
          ;(isOverdue(observation) ? hard : gently).push(observation.identity)
        } catch (error) {
          if (!(error instanceof SchedulerError)) throw error
          answers.set(job.token, error)
        }
      }
      // CONT last: a held job then finds TERM waiting, and does no more work.
      await signal(gently, 'SIGTERM', 'SIGCONT')
      await signal(hard, 'SIGKILL')
      if (gently.length > 0) killLater(gently)
      return answers
    },
    finish: async (observed) => {
      const overdue = [...observed.jobs.values()].filter((observation) => isLive(observation) && isOverdue(observation))
      if (overdue.length > 0)
        await signal(
          overdue.map(({ identity }) => identity),
          'SIGKILL',
        )
    },
    close: () => {
      for (const timer of timers) clearTimeout(timer)
      timers.clear()
    },
  }
}
