import type { Answer, JobRef, Logger, NativeId, Scheduler } from '../adapter.js'
import { SchedulerError } from '../adapter.js'
import { UNCERTAIN } from '../allowed.js'
import type { Core } from '../core.js'
import type { Transaction } from '../store/database.js'
import type { NewEvent } from '../store/events.js'
import { readScheduler, type SchedulerRow } from '../store/schedulers.js'
import { type Change, changeAll, changeAttempt } from '../store/transition.js'
import { checkedAnswers, checkedRecoveries, checkedReports } from './answers.js'
import { ask, connect, isSchedulerError } from './ask.js'
import { backoff } from './backoff.js'
import { aborted, type Fate, storeFates } from './fates.js'
import { answered, failed } from './health.js'
import { type Lease, leaseRecord } from './lease.js'
import { pollSoon, shortestPause } from './pace.js'
import { type CleanUp, isEmpty, planOrders, type Stray } from './plan.js'
import { submit } from './submit.js'
import { refOf, type Tracked, trackedNow } from './tracked.js'

/** The longest pause before an order is repeated, in milliseconds. */
const MAX_REPEAT_MS = 60_000
const FAR_MS = 365 * 24 * 3_600_000
/** A stray that is not mentioned may still run: it is gone when it was chased so often, over more than two minutes. */
const SILENT_TRIES = 8

/** Carries out what people asked of this record's jobs, if there is anything and nobody else does. */
export const carryOutOrders = async (core: Core, recordId: number, signal: AbortSignal): Promise<void> => {
  const record = await readScheduler(core.database, recordId)
  // Looked at before the lease is taken: jobs that wait for a free slot cost no write.
  if (!record || isEmpty(await planOrders(core, record))) return
  const leased = await leaseRecord(core, 'orders', recordId, signal)
  if (!leased) return
  const { lease } = leased
  try {
    await turn(core, leased.record, lease)
  } catch (error) {
    core.connections.drop(recordId)
    // That we stopped it, or that the store failed, says nothing of the scheduler.
    if (lease.signal.aborted || !isSchedulerError(error)) {
      await lease.release()
      if (lease.signal.aborted) return
      throw error
    }
    lease.end()
    await core.database.write(async (tx) => await failed(core, tx, leased.record, 'orders', await tx.now(), error))
    core.committed()
  }
}

const turn = async (core: Core, record: SchedulerRow, lease: Lease): Promise<void> => {
  const plan = await planOrders(core, record)
  const scheduler = connect(core.connections, record)
  const call = <T>(question: (signal: AbortSignal) => Promise<T>): Promise<T> =>
    ask(core.clock, question, { deadlineMs: (core.leaseMs * 2) / 3, signal: lease.signal })
  const work: Work = { core, record, scheduler, lease, call }
  await recoverOpen(work, plan.open)
  await repeat(work, 'cancel', plan.cancel)
  await repeat(work, 'hold', plan.hold)
  await repeat(work, 'release', plan.release)
  await chaseStrays(work, plan.strays)
  await cleanUp(work, plan.cleanUp)
  if (plan.submit.length > 0) await submit(core, record, scheduler, lease, plan.submit)
  lease.end()
  const store = async (tx: Transaction): Promise<void> => {
    const now = await tx.now()
    await answered(core, tx, record, 'orders', now, now)
  }
  await core.database.write(store, { fleeting: record.health === 'ok' })
}

interface Work {
  readonly core: Core
  readonly record: SchedulerRow
  readonly scheduler: Scheduler
  readonly lease: Lease
  readonly call: <T>(question: (signal: AbortSignal) => Promise<T>) => Promise<T>
}

const commit = async (work: Work, changes: (tx: Transaction, now: number) => Promise<void>): Promise<void> => {
  await work.core.database.write(async (tx) => await changes(tx, await tx.now()))
  work.core.committed()
}

/** What became of attempts that were handed over without an answer? Until that is known, nothing is submitted again. */
const recoverOpen = async (work: Work, open: readonly Tracked[]): Promise<void> => {
  if (open.length === 0) return
  const { core, record, scheduler } = work
  const recover = scheduler.recover?.bind(scheduler)
  if (!recover) return await leaveUncertain(work, open)
  const attempts = open.map((job) => ({
    token: job.token,
    jobType: job.jobType,
    workdir: job.workdir,
    handedOverAt: new Date(job.handedOverAt ?? 0),
  }))
  const tokens = new Set(open.map((job) => job.token))
  const found = checkedRecoveries(await work.call(async (signal) => await recover(attempts, signal)), tokens, core.log)
  await storeFates(core, record, new Map(open.map((job) => [job, recovered(found.get(job.token))])))
}

const recovered = (fate: NativeId | 'absent' | undefined): Fate => {
  if (fate === undefined) return { is: 'open', why: 'The scheduler cannot tell yet whether it has the job.' }
  return fate === 'absent' ? { is: 'absent' } : { is: 'accepted', nativeId: fate }
}

/** An adapter that cannot recover: a person decides. Stopping is taken as the answer that the job is not wanted. */
const leaveUncertain = async (work: Work, open: readonly Tracked[]): Promise<void> => {
  const stopped = 'Stopped while it was uncertain whether the scheduler has the job.'
  const reason = `${UNCERTAIN}: the scheduler may or may not have the job, and cannot be asked. Stop or resubmit it.`
  await commit(work, async (tx, now) => {
    const uncertain = (job: Tracked): Change => ({
      attempt: { orderError: reason, orderDueAt: now + FAR_MS },
      events: [noteOf(job, reason)],
    })
    const changes = open.map((job): [Tracked, Change] => [
      job,
      job.orderName === 'cancel' ? aborted(now, stopped) : uncertain(job),
    ])
    await changeAll(tx, new Map(changes), now)
  })
}

const noteOf = ({ app, id, attemptNumber }: Tracked, reason: string): NewEvent => ({
  kind: 'note',
  app,
  jobId: id,
  attempt: attemptNumber,
  data: { reason },
})

/** Orders to accepted jobs, repeated until a poll shows that they were carried out. */
const repeat = async (work: Work, order: 'cancel' | 'hold' | 'release', jobs: readonly Tracked[]): Promise<void> => {
  if (jobs.length === 0) return
  const { core, scheduler } = work
  const method = scheduler[order]?.bind(scheduler)
  const answers = method && (await inChunks(work, jobs.map(refOf), method, checkedAnswers))
  await commit(work, async (tx, now) => {
    const changes = new Map<Tracked, Change>()
    for (const [{ token }, job] of await trackedNow(tx, jobs)) {
      if (job.orderName !== order) continue // Something else was asked of it meanwhile.
      const refusal = answers ? refusalOf(answers.get(token)) : 'it has no such operation'
      const dropped = refusal !== undefined && order !== 'cancel'
      changes.set(job, dropped ? dropOrder(job, order, refusal) : again(work, job, answers?.get(token), now))
    }
    await changeAll(tx, changes, now)
    await pollSoon(tx, work.record, now)
  })
  core.log.debug({ scheduler: work.record.name, order, jobs: jobs.length }, 'orders were given')
}

/** Why it will never be carried out. */
const refusalOf = (answer: Answer | undefined): string | undefined => {
  if (answer === undefined || answer === 'ok') return undefined
  return answer.code === 'rejected' || answer.code === 'invalid_job' ? answer.message : undefined
}

const again = ({ record }: Work, job: Tracked, answer: Answer | undefined, now: number): Change => {
  const tries = job.orderTries + 1
  const pause = Math.max(backoff(tries, 1000, MAX_REPEAT_MS), 2 * shortestPause(record))
  const error = answer === undefined || answer === 'ok' ? null : answer.message.slice(0, 2048)
  return { attempt: { orderTries: tries, orderDueAt: now + pause, orderError: error } }
}

const dropOrder = (job: Tracked, order: string, message: string): Change => ({
  attempt: { orderName: null, orderError: null },
  order: true,
  events: [noteOf(job, `The scheduler refused to ${order} the job: ${message}`)],
})

/** One call for each `maxIdsPerPoll` jobs; its answer checked. */
const inChunks = async <T>(
  work: Work,
  refs: readonly JobRef[],
  method: (jobs: readonly JobRef[], signal: AbortSignal) => Promise<unknown>,
  check: (answer: unknown, asked: ReadonlySet<string>, log: Logger) => ReadonlyMap<string, T>,
): Promise<Map<string, T>> => {
  const answers = new Map<string, T>()
  const size = work.record.maxIdsPerPoll
  for (let start = 0; start < refs.length; start += size) {
    const chunk = Object.freeze(refs.slice(start, start + size))
    const answer = await work.call(async (signal) => await method(chunk, signal))
    const tokens = new Set(chunk.map((ref) => ref.token))
    for (const [token, one] of check(answer, tokens, work.core.log)) answers.set(token, one)
  }
  return answers
}

/** Jobs that nobody wants: cancelled until the scheduler says that they ended, or has long not mentioned them. */
const chaseStrays = async (work: Work, strays: readonly Stray[]): Promise<void> => {
  const { core, scheduler } = work
  for (const round of oncePerToken(strays)) {
    const refs = round.map(refOf)
    const cancelled = await inChunks(work, refs, scheduler.cancel.bind(scheduler), checkedAnswers)
    const reports = await inChunks(work, refs, scheduler.status.bind(scheduler), checkedReports)
    const isGone = ({ token, tries }: Stray): boolean => {
      const report = reports.get(token)
      const over = report === undefined ? tries >= SILENT_TRIES : ENDED.has(report.state)
      return cancelled.get(token) === 'ok' && over
    }
    await commit(work, async (tx, now) => {
      for (const stray of round) {
        const which = [stray.token, stray.nativeId]
        if (isGone(stray)) await tx.run('DELETE FROM telesto_strays WHERE token = $1 AND native_id = $2', which)
        else {
          const dueAt = now + backoff(stray.tries + 1, 500, MAX_REPEAT_MS)
          await tx.run('UPDATE telesto_strays SET tries = tries + 1, due_at = $3 WHERE token = $1 AND native_id = $2', [
            ...which,
            dueAt,
          ])
        }
      }
    })
    core.log.debug({ scheduler: work.record.name, strays: round.length }, 'strays were chased')
  }
}
const ENDED: ReadonlySet<unknown> = new Set(['succeeded', 'failed', 'cancelled'])

/** An answer tells jobs apart by their tokens: of two strays of one token, each has its own round. */
const oncePerToken = (strays: readonly Stray[]): Stray[][] => {
  const rounds: Map<string, Stray>[] = []
  for (const stray of strays) {
    const round = rounds.find((one) => !one.has(stray.token))
    if (round) round.set(stray.token, stray)
    else rounds.push(new Map([[stray.token, stray]]))
  }
  return rounds.map((round) => [...round.values()])
}

/** What attempts of deleted jobs left on the scheduler's side. Their rows go when that is done. */
const cleanUp = async (work: Work, attempts: readonly CleanUp[]): Promise<void> => {
  if (attempts.length === 0) return
  const method = work.scheduler.cleanUp?.bind(work.scheduler)
  const left = (attempt: CleanUp): boolean => attempt.nativeId !== null || Boolean(attempt.onTarget)
  const refs = attempts.filter(left).map(refOf)
  const answers =
    method && refs.length > 0 ? await inChunks(work, refs, method, checkedAnswers) : new Map<string, Answer>()
  await commit(work, async (tx, now) => {
    for (const attempt of attempts) {
      const answer =
        method && left(attempt) ? (answers.get(attempt.token) ?? new SchedulerError('unavailable', 'no answer')) : 'ok'
      if (answer === 'ok')
        await tx.run(`DELETE FROM telesto_attempts WHERE id = $1 AND order_name = 'clean_up'`, [attempt.attemptId])
      else {
        const tries = attempt.orderTries + 1
        await changeAttempt(tx, attempt.attemptId, {
          orderTries: tries,
          orderDueAt: now + backoff(tries, 1000, MAX_REPEAT_MS),
          orderError: answer.message,
        })
      }
    }
  })
}
