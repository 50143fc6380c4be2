import { cpus, freemem, loadavg, release, totalmem } from 'node:os'
import {
  type AdapterContext,
  type Answer,
  type JobRef,
  type JobReport,
  type NativeId,
  type Scheduler,
  SchedulerError,
  type Token,
} from '../../src/adapter.js'
import { aborted, together, untilAborted } from '../together.js'
import { cleanUp } from './clean-up.js'
import { ABSENT, makePlace, placeOf, readFact, writeFact } from './facts.js'
import { listLogs, readLog } from './logs.js'
import { observe, reportOf } from './observe.js'
import { parseIdentity, processesOf } from './processes.js'
import { type BasicRequest, start } from './start.js'
import { createStopper, isLive } from './stop.js'
import { readResult, readTold } from './task.js'

export interface LocalConfig {
  readonly killGraceSeconds: number
}

/** Processes that are made at once: more only make each other wait. */
const STARTS_AT_ONCE = 8
const FILES_AT_ONCE = 32

/**
 * The scheduler that is this machine. It keeps nothing in memory that matters: whoever connects next finds every job by
 * its files and its process.
 */
export const connectLocal = (
  config: LocalConfig,
  { transport, log }: Pick<AdapterContext, 'transport' | 'log'>,
  platform: NodeJS.Platform = process.platform,
): Scheduler<BasicRequest> => {
  const processes = processesOf(platform, transport)
  const stopper = createStopper(processes, config.killGraceSeconds * 1000, log)
  let boot: string | undefined

  /** Every method goes through here: ends with its signal, and throws SchedulerError alone. */
  const call = async <T>(
    signal: AbortSignal,
    work: (boot: string) => Promise<T>,
    onAbort: () => T = aborted,
  ): Promise<T> => {
    if (platform === 'win32')
      throw new SchedulerError(
        'unavailable',
        'Jobs on this machine need Linux, macOS or another Unix; this is Windows.',
      )
    if (signal.aborted) return aborted()
    const all = async () => {
      boot ??= await processes.boot()
      return await work(boot)
    }
    try {
      return await untilAborted(signal, all(), onAbort)
    } catch (error) {
      if (error instanceof SchedulerError) throw error
      throw new SchedulerError('unavailable', `This machine could not be asked: ${String(error)}`, { cause: error })
    }
  }

  const signalAll = (jobs: readonly JobRef[], signal: AbortSignal, name: 'SIGSTOP' | 'SIGCONT') =>
    call(signal, async (boot) => {
      const observed = await observe(jobs, processes, boot, signal)
      const live = [...observed.jobs.values()].filter(isLive).map(({ identity }) => identity)
      const reached = await stopper.signal(live, name)
      const answerTo = (job: JobRef): Answer => {
        const observation = observed.jobs.get(job.token)
        if (observation && reached.has(observation.identity)) return 'ok'
        return (
          observed.unreadable.get(job.token) ??
          new SchedulerError('rejected', 'The job is not running any more on this machine.')
        )
      }
      return new Map(jobs.map((job) => [job.token, answerTo(job)]))
    })

  return {
    submit: (jobs, signal) => {
      const answers = new Map<Token, NativeId | SchedulerError>()
      const work = (boot: string) =>
        together(jobs, STARTS_AT_ONCE, signal, async (job) => {
          const handed = () => {
            answers.set(job.token, new SchedulerError('unavailable', 'The job was being started when the call ended.'))
          }
          try {
            const id = await start(job, { transport, processes, boot, signal, handed })
            if (id !== undefined) answers.set(job.token, id)
          } catch (error) {
            if (!(error instanceof SchedulerError)) throw error
            answers.set(job.token, error)
          }
        })
      // An abort does not take back what was accepted.
      return call(
        signal,
        (boot) => work(boot).then(() => answers),
        () => new Map(answers),
      )
    },

    status: (jobs, signal) =>
      call(signal, async (boot) => {
        const observed = await observe(jobs, processes, boot, signal)
        await stopper.finish(observed)
        const reports = new Map<Token, JobReport>()
        await together(jobs, FILES_AT_ONCE, signal, async (job) => {
          const observation = observed.jobs.get(job.token)
          // Read after the look: what a task that has ended tells is then its last word.
          if (observation) reports.set(job.token, reportOf(observation, await readTold(job, transport)))
        })
        for (const [token, { message }] of observed.unreadable)
          reports.set(token, { state: 'unknown', nativeState: 'unreadable', message })
        return reports
      }),

    cancel: (jobs, signal) =>
      call(signal, async (boot) => stopper.stop(jobs, await observe(jobs, processes, boot, signal))),

    hold: (jobs, signal) => signalAll(jobs, signal, 'SIGSTOP'),
    release: (jobs, signal) => signalAll(jobs, signal, 'SIGCONT'),

    recover: (attempts, signal) =>
      call(signal, async () => {
        const answers = new Map<Token, NativeId | 'absent'>()
        await together(attempts, FILES_AT_ONCE, signal, async (attempt) => {
          try {
            const place = placeOf(attempt)
            // The claim decides: the wrapper's or this one, whichever is first.
            if (!(await readFact(place, 'claim'))) {
              await makePlace(place)
              await writeFact(place, 'claim', ABSENT)
            }
            const text = (await readFact(place, 'claim'))?.text
            if (text === ABSENT) answers.set(attempt.token, 'absent')
            else if (text !== undefined && parseIdentity(text)) answers.set(attempt.token, text)
          } catch (error) {
            log.warn(
              { error, token: attempt.token },
              'an attempt could not be looked for; it will be asked about again',
            )
          }
        })
        return answers
      }),

    listLogs: (job, signal) => call(signal, () => listLogs(job)),
    readLog: (job, name, from, maxBytes, signal) =>
      call(signal, async (boot) => {
        const { jobs, unreadable } = await observe([job], processes, boot, signal)
        const error = unreadable.get(job.token)
        if (error) throw error
        return readLog(job, name, from, maxBytes, !isLive(jobs.get(job.token)), transport)
      }),

    result: (job, signal) => call(signal, () => readResult(job, transport)),

    cleanUp: (jobs, signal) =>
      call(signal, async (boot) => {
        const observed = await observe(jobs, processes, boot, signal)
        const answers = new Map<Token, Answer>()
        await together(jobs, FILES_AT_ONCE, signal, async (job) => {
          const live = isLive(observed.jobs.get(job.token))
          const refusal = new SchedulerError('rejected', 'The job is still alive in its directory: cancel it first.')
          answers.set(job.token, observed.unreadable.get(job.token) ?? (live ? refusal : await cleanUp(job)))
        })
        return answers
      }),

    ping: (signal) =>
      call(signal, async () => ({ version: `${platform} ${release().split('.').slice(0, 2).join('.')}` })),
    info: (signal) =>
      call(signal, async () => {
        const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GiB`
        return [
          { label: 'CPUs', value: String(cpus().length) },
          { label: 'Memory', value: `${gib(freemem())} free of ${gib(totalmem())}` },
          {
            label: 'Load',
            value: loadavg()
              .map((load) => load.toFixed(2))
              .join(' '),
          },
        ]
      }),
    close: async () => stopper.close(),
  }
}
