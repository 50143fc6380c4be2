import { z } from 'zod'
import { type Action, visibleTo } from './access.js'
import * as actions from './actions.js'
import type { GraphNode, LogName, LogWindow } from './adapter.js'
import { askedBy } from './asked.js'
import { refuseExecuted } from './attributes.js'
import type { ToldPart } from './engine/parts.js'
import { TelestoError } from './errors.js'
import { type GraphPart, graphOf } from './graph.js'
import { type HistoryEntry, type HistoryPage, historyEntry, historyPage } from './job-history.js'
import { JobPicture } from './job-picture.js'
import { listLogs, readLog } from './logs.js'
import { check, FIELDS } from './options.js'
import { partsSchema, setParts, setStatus } from './own-status.js'
import { checkNewParents, checkParents, visibleParents } from './parents.js'
import { listResults, type ResultFile, resultPath } from './results.js'
import { hasFailed } from './status.js'
import { insertAudit } from './store/audit.js'
import type { Transaction } from './store/database.js'
import {
  type AttemptHistory,
  readAttemptResult,
  readAttempts,
  readHistory,
  readParts,
  type StoredPart,
} from './store/history.js'
import { type JobRow, type NewJob, readJob, readJobRow, type WholeJob } from './store/jobs.js'
import { findJobs } from './store/list.js'
import { editJobs, insertJobs, updateFields } from './store/write-jobs.js'
import {
  checkWait,
  endings,
  isTimeout,
  pollAgain,
  type StatusAnswer,
  type WaitOptions,
  waitFields,
} from './waiting/wait.js'

/**
 * One job. A picture of its row: `refresh()` takes a new one. Reading a property never does I/O; what asks something of the
 * job is a method, commits before it resolves, and throws TelestoError with a code otherwise.
 */
export class Job extends JobPicture {
  #saving: Promise<void> = Promise.resolve()

  /** Stores what was changed, and only that. The first save of a built job gives it its id. */
  async save(): Promise<void> {
    // One after the other: of two saves at once, only the first may make the row.
    const saved = this.#saving.then(async () => await this.#store())
    this.#saving = saved.catch(() => {})
    await saved
  }
  async #store(): Promise<void> {
    const pending = this.pendingChanges()
    if (this.unsaved) {
      const job = { ...this.unsaved, ...pending } as NewJob & typeof pending
      const id = await this.core.database.write(async (tx) => {
        checkParents(job, await visibleParents(this.core, this.viewer, tx, job.app, job.parents))
        const [stored] = await insertJobs(tx, [job], this.viewer)
        const { id } = (stored as WholeJob).row
        const { statusMessage, progress } = pending
        if (statusMessage !== undefined || progress !== undefined)
          await updateFields(tx, [id], { statusMessage, progress })
        return id
      })
      this.unsaved = undefined
      await this.#take(id)
    } else if (Object.keys(pending).length > 0) {
      this.#demand('edit')
      await this.core.database.write(async (tx) => {
        const row = await this.#current(tx)
        if (pending.spec !== undefined) refuseExecuted(row)
        if (pending.parents) await checkNewParents(this.core, this.viewer, tx, row, pending.parents as number[])
        const now = await tx.now()
        await editJobs(tx, now, [row], pending, askedBy(this.viewer))
        if (this.viewer) await insertAudit(tx, now, this.viewer, 'edit', [row])
      })
      await this.#take(this.row.id)
    } else return
    this.core.committed()
  }

  /** Reads the job again; unsaved changes are dropped. Throws `not_found` where it was deleted, or is no longer visible. */
  async refresh(): Promise<void> {
    const where = visibleTo(this.core, this.viewer, [{ id: this.id }])
    const page = { order: 'id', descending: false, offset: 0, limit: 1 } as const
    this.#show(where ? (await findJobs(this.core.database, where, page))[0] : undefined)
  }

  /** Saves, and commits the order to run. The engine submits, polls and collects. Throws `action_not_allowed` the second time. */
  async execute(): Promise<void> {
    await this.save()
    await this.#act('execute', actions.execute)
  }
  /** Asks for the end. A job that no scheduler has yet is Aborted at once; else its scheduler's word ends it. */
  async stop(): Promise<void> {
    await this.#act('stop', actions.stop)
  }
  /** Holds the job, where its scheduler can (`not_supported`). */
  async pause(): Promise<void> {
    await this.#demandSupport('hold')
    await this.#act('pause', actions.pause)
  }
  /** Releases a held job, where its scheduler can (`not_supported`). */
  async resume(): Promise<void> {
    await this.#demandSupport('release')
    await this.#act('resume', actions.resume)
  }
  /** Runs a settled job again, as a new attempt; the old one stays in the history. */
  async resubmit(): Promise<void> {
    await this.save()
    await this.#act('resubmit', actions.resubmit)
  }
  /** Collects the results again, where that had failed (cause "results"). */
  async collectAgain(): Promise<void> {
    await this.#act('collect', actions.collectAgain)
  }
  /** Hides the job at once and removes it with its directories. Refused while active, unless `stop` is set. */
  async delete(options: { readonly stop?: boolean } = {}): Promise<void> {
    this.#demand('delete')
    if (this.unsaved) throw new TelestoError('job_not_saved', 'The job was never saved.', { field: 'id' })
    await this.#commit('delete', async (tx, row) => {
      await actions.remove({ stop: options.stop === true })(this.core, tx, [row], askedBy(this.viewer))
      await actions.refuseToOrphan(tx, [row.id])
    })
  }

  /**
   * Resolves with this job, refreshed, once it has settled: Complete, Error, Aborted or Various-Complete. A job that nobody
   * has executed yet is waited for too; after a resubmit it is the new attempt. Unsaved changes are dropped. Rejects with
   * `timeout`, with the signal's reason, with `not_found` where the job is deleted, with `closed` where Telesto is.
   */
  async done(options: WaitOptions = {}): Promise<this> {
    const until = checkWait(options)
    const { id } = this
    this.#demand('read')
    try {
      for await (const [ending] of endings(this.core, this.viewer, [id], until)) this.#show(ending?.whole, id)
    } catch (error) {
      if (!isTimeout(error)) throw error
      await this.refresh()
      if (!this.isSettled)
        throw new TelestoError('timeout', `Job ${id} is still ${this.status} after ${until.timeoutMs} ms.`, {
          field: 'timeoutMs',
        })
    }
    return this
  }
  /**
   * The value that the job computed, once it is Complete; null where it told none. Waits as `done()`, and rejects as that
   * does; with `job_failed`, which says how it ended, for Error, Aborted and Various-Complete.
   */
  async result(options: WaitOptions = {}): Promise<unknown> {
    await this.done(options)
    if (hasFailed(this.row)) {
      const { id, name, status, cause, exitCode, reason } = this
      const how = [status, ...(cause === null ? [] : [`cause ${cause}`])]
      if (exitCode !== null) how.push(`exit code ${exitCode}`)
      const message = `Job ${id} (${name}) did not complete: ${how.join(', ')}.${reason === null ? '' : ` ${reason}`}`
      throw new TelestoError('job_failed', message)
    }
    return this.row.attemptId === null ? null : await readAttemptResult(this.core.database, this.row.attemptId)
  }

  /**
   * Asks for an earlier poll; with `wait` (milliseconds) resolves after the next one that is answered, or at the end of the
   * wait, and at once where no scheduler is asked about the job. Answers the status as it is then, and how old it is.
   */
  async updateStatus(options?: { readonly wait?: number }): Promise<StatusAnswer>
  /**
   * Sets the status, where it is the app's: a display name, a code or a text of its own (`customStatuses` says what that
   * means). On a scheduler's job a text is a label beside the status. Throws `status_owned_by_scheduler`, `already_settled`.
   */
  async updateStatus(status: string): Promise<void>
  async updateStatus(wanted: string | { readonly wait?: number } = {}): Promise<unknown> {
    if (typeof wanted === 'string') {
      const text = check(FIELDS.name, wanted, 'status')
      await this.save()
      this.#demand('updateStatus')
      await this.#commit('updateStatus', async (tx, row) => {
        await setStatus(this.core, tx, row, text, {}, askedBy(this.viewer))
      })
      await this.#take(this.row.id)
      return undefined
    }
    const ms = check(waitFields.timeoutMs, wanted.wait, 'wait') ?? 0
    this.#demand('read')
    const answer = await pollAgain(this.core, await this.#reread(), ms)
    await this.refresh()
    return { status: this.status, ...answer }
  }

  /**
   * Tells parts of a job that no scheduler runs: of a part that is known by its name what is given here changes, others are
   * added in this order, at most 10,000 in all. The status stays the app's to set, unless `deriveStatus` asks for the one that
   * all parts add up to: Various while they differ. The first call starts the job, as updateStatus() does.
   * Throws `parts_owned_by_scheduler`, `already_settled`, and `invalid`, naming the field: "parts.3.state".
   */
  async updateParts(parts: readonly ToldPart[], options: { readonly deriveStatus?: boolean } = {}): Promise<void> {
    const told = check(partsSchema, parts, 'parts')
    const { deriveStatus } = check(updatePartsOptions, options, 'options')
    await this.save()
    this.#demand('updateStatus')
    await this.#commit('updateStatus', async (tx, row) => {
      await setParts(this.core, tx, row, told, deriveStatus, askedBy(this.viewer))
    })
    await this.#take(this.row.id)
  }

  /** The names of the logs; [] where the scheduler has none. `scheduler_unavailable` when it cannot tell just now. */
  async logs(): Promise<readonly LogName[]> {
    this.#demand('read')
    return await listLogs(this.core, await this.#reread())
  }
  /** A window of a log: at most `maxBytes` (default and at most 64 KiB) from byte `from`. Past the end it is empty. */
  async readLog(
    log: { readonly part?: string; readonly name: string },
    from = 0,
    maxBytes?: number,
  ): Promise<LogWindow> {
    this.#demand('read')
    return await readLog(this.core, await this.#reread(), log, from, maxBytes)
  }
  /** The files that the current attempt left, with sizes in bytes. */
  async results(): Promise<readonly ResultFile[]> {
    this.#demand('read')
    return this.row.workdir === null ? [] : await listResults(this.row.workdir)
  }
  /** The absolute path of one result. Throws `unsafe_path` for what leads out of the job's directory, `not_found`. */
  async resultPath(relative: string): Promise<string> {
    this.#demand('read')
    return await resultPath(this.row.workdir, relative)
  }
  /** All attempts, oldest first, with how each ended. */
  async attempts(): Promise<readonly AttemptHistory[]> {
    this.#demand('read')
    return await readAttempts(this.core.database, this.id)
  }
  /**
   * What happened to the job and who asked for it, oldest first: the first `limit` entries (default 200, at most 1000) after the
   * one with the id `after`; with `last`, the last ones. Addresses are told to administrators and to trusted code alone.
   */
  async history(options: HistoryPage = {}): Promise<readonly HistoryEntry[]> {
    this.#demand('read')
    const { after, limit, last } = check(historyPage, options)
    const rows = await readHistory(this.core.database, this.id, after, limit, last)
    const seesAddresses = !this.viewer || this.viewer.user.isAdmin === true
    return rows.map((row) => historyEntry(row, seesAddresses))
  }
  /** The parts of the current attempt, in the order of its scheduler, or in that of their first mention. */
  async parts(): Promise<readonly StoredPart[]> {
    this.#demand('read')
    return this.row.attemptId === null ? [] : await readParts(this.core.database, this.row.attemptId)
  }
  /** The nodes of its graph, as its spec names them: [] for a job that has none. */
  get nodes(): readonly GraphNode[] {
    const { jobType } = this.row
    return this.core.registry.jobTypes.get(jobType)?.adapter.graph?.(jobType, this.spec) ?? []
  }
  /** The same by level, with how each node is. It is known before the job runs, and no scheduler is asked. */
  async graph(): Promise<readonly GraphPart[]> {
    return graphOf(this.nodes, await this.parts())
  }

  async #act(action: Exclude<Action, 'read' | 'edit'>, carryOut: actions.JobAction): Promise<void> {
    this.#demand(action)
    await this.#commit(action, async (tx, row) => await carryOut(this.core, tx, [row], askedBy(this.viewer)))
    await this.#take(this.row.id)
  }

  async #commit(action: Action, work: (tx: Transaction, row: JobRow) => Promise<void>): Promise<void> {
    const { database } = this.core
    await database.write(async (tx) => {
      const row = await this.#current(tx)
      await work(tx, row)
      if (this.viewer) await insertAudit(tx, await tx.now(), this.viewer, action, [row])
    })
    this.core.committed()
  }

  async #current(tx: Pick<Transaction, 'all'>): Promise<JobRow> {
    const row = await readJobRow(tx, this.id)
    if (row && row.deletedAt === null) return row
    throw new TelestoError('not_found', `There is no job ${this.id}.`, { field: 'id' })
  }
  async #reread(): Promise<JobRow> {
    return await this.#current(this.core.database)
  }
  async #take(id: number): Promise<void> {
    this.#show(await readJob(this.core.database, id), id)
  }
  /** @internal Takes what was just read of the job as its new picture. */
  show(whole: WholeJob): this {
    this.#show(whole)
    return this
  }
  #show(whole: WholeJob | undefined, id = this.id): void {
    if (!whole) throw new TelestoError('not_found', `There is no job ${id}.`, { field: 'id' })
    this.whole = whole
    this.edited.clear()
    this.editedSpec = undefined
    this.extended = undefined
  }

  #demand(action: Action): void {
    if (this.permits(action)) return
    throw new TelestoError('forbidden', `You may not ${action} job ${this.row.id}.`, { field: 'action' })
  }
  async #demandSupport(method: 'hold' | 'release'): Promise<void> {
    const row = await this.#reread()
    if (row.attemptId === null || (await actions.supports(this.core, row, method))) return
    throw new TelestoError('not_supported', `The scheduler of job ${row.id} cannot ${method} jobs.`, {
      field: 'action',
    })
  }
}

const updatePartsOptions = z.strictObject({ deriveStatus: z.boolean().default(false) })
