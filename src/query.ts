import { type Action, type Viewer, visibleTo } from './access.js'
import * as actions from './actions.js'
import { ALLOWED } from './allowed.js'
import { askedBy } from './asked.js'
import type { Core } from './core.js'
import { JobDoesNotExist, MultipleJobsReturned, TelestoError } from './errors.js'
import { type Condition, condition, type JobFilter } from './filters.js'
import { Job } from './job.js'
import { check, FIELDS, toJson } from './options.js'
import { insertAudit } from './store/audit.js'
import type { Transaction } from './store/database.js'
import { type JobRow, readJobs, type WholeJob } from './store/jobs.js'
import { findJobIds, findJobs, ORDER_COLUMNS, type OrderField, type Page } from './store/list.js'
import { editJobs } from './store/write-jobs.js'

/** A field to order by, ascending; with "-" before it, descending. Ties are broken by id. */
export type Order = OrderField | `-${OrderField}`

/** Fields that a query can change on all its jobs at once. */
export interface QueryUpdate {
  readonly name?: string
  readonly description?: string
  readonly tags?: Readonly<Record<string, string>>
  readonly extendedProperties?: Readonly<Record<string, unknown>>
}

interface Plan {
  readonly filters: readonly JobFilter[]
  readonly excluded: readonly JobFilter[]
  readonly order: Order
  readonly offset: number
  readonly limit: number | null
}

const START: Plan = { filters: [], excluded: [], order: 'id', offset: 0, limit: null }
/** So many jobs are in memory at once while a query is iterated or acted on. */
const CHUNK = 500

/**
 * A lazy list of jobs: nothing is asked before it is awaited, iterated, counted or acted on, and each time anew. Every method
 * gives a new query. Filters are checked at once: `unknown_field` or `invalid`, naming the field.
 */
export class JobQuery implements PromiseLike<Job[]>, AsyncIterable<Job> {
  readonly #core: Core
  readonly #viewer: Viewer
  readonly #plan: Plan

  /** @internal Queries come from a JobManager. */
  constructor(core: Core, viewer: Viewer, filter: JobFilter, plan: Plan = START) {
    this.#core = core
    this.#viewer = viewer
    this.#plan = Object.keys(filter).length === 0 ? plan : { ...plan, filters: [...plan.filters, filter] }
    condition(core.database.dialect, this.#plan.filters, this.#plan.excluded)
  }

  /** Only jobs for which all of this holds. */
  filter(filter: JobFilter): JobQuery {
    return this.#with({ filters: [...this.#plan.filters, filter] })
  }
  /** None of the jobs for which all of this holds. */
  exclude(filter: JobFilter): JobQuery {
    return this.#with({ excluded: [...this.#plan.excluded, filter] })
  }
  /** Ordered by a field, in place of the order before. Throws `unknown_field`. */
  orderBy(order: Order): JobQuery {
    const field = String(order).replace(/^-/, '')
    if (!Object.hasOwn(ORDER_COLUMNS, field)) {
      throw new TelestoError(
        'unknown_field',
        `Jobs cannot be ordered by ${JSON.stringify(order)}. Known: ${Object.keys(ORDER_COLUMNS).join(', ')}.`,
        { field: 'orderBy' },
      )
    }
    return this.#with({ order })
  }
  /** The jobs from `start` (0 is the first) up to and without `end`, after which nothing is filtered or ordered. Throws `invalid`. */
  slice(start: number, end?: number): JobQuery {
    const whole = (value: number, name: string): number => {
      if (Number.isSafeInteger(value) && value >= 0) return value
      throw new TelestoError('invalid', `slice takes whole numbers of 0 or more; ${name} is ${value}.`, { field: name })
    }
    const from = whole(start, 'start')
    const length = end === undefined ? null : Math.max(0, whole(end, 'end') - from)
    const room = this.#plan.limit === null ? null : Math.max(0, this.#plan.limit - from)
    const limit = room === null ? length : length === null ? room : Math.min(room, length)
    return new JobQuery(this.#core, this.#viewer, {}, { ...this.#plan, offset: this.#plan.offset + from, limit })
  }

  // biome-ignore lint/suspicious/noThenProperty: a query is awaited, as a queryset is evaluated
  async then<A = Job[], B = never>(
    onfulfilled?: ((jobs: Job[]) => A | PromiseLike<A>) | null,
    onrejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return await this.#jobs(this.#core.database).then(onfulfilled, onrejected)
  }

  /** All jobs, a page at a time: those that match when the iteration starts, as they are when it comes to them. */
  async *[Symbol.asyncIterator](): AsyncIterator<Job> {
    const where = this.#where()
    const ids = where ? await findJobIds(this.#core.database, where, this.#page) : []
    for (let start = 0; start < ids.length; start += CHUNK) {
      const chunk = ids.slice(start, start + CHUNK)
      const found = await readJobs(this.#core.database, chunk)
      const byId = new Map(found.map((whole) => [whole.row.id, whole]))
      for (const id of chunk) {
        const whole = byId.get(id)
        if (whole) yield new Job(this.#core, this.#viewer, whole)
      }
    }
  }

  /** The one job that matches. Throws JobDoesNotExist or MultipleJobsReturned, with the filters in the message. */
  async get(filter: JobFilter = {}): Promise<Job> {
    const query = Object.keys(filter).length === 0 ? this : this.filter(filter)
    const [job, another] = await query.slice(0, 2)
    if (!job) throw new JobDoesNotExist(query.#described())
    if (another) throw new MultipleJobsReturned(query.#described())
    return job
  }
  /** The first job in the query's order, or null. */
  async first(): Promise<Job | null> {
    return (await this.slice(0, 1))[0] ?? null
  }
  /** How many jobs match; with `cap`, counting stops there. That so many of another process's are left may be a second old. */
  async count(options: { readonly cap?: number } = {}): Promise<number> {
    const where = this.#where()
    if (where === null) return 0
    const { offset, limit } = this.#plan
    const most = limit === null ? options.cap : Math.min(limit, options.cap ?? limit)
    const counted = await this.#core.totals.count(where, most === undefined ? undefined : most + offset)
    return Math.max(0, Math.min(counted - offset, most ?? Number.POSITIVE_INFINITY))
  }
  /** Whether any job matches. */
  async exists(): Promise<boolean> {
    return (await this.count({ cap: 1 })) > 0
  }

  /**
   * Changes these fields on every job that matches, in one transaction; answers how many. `tags` replaces all tags. Throws
   * `forbidden`, and changes none, if one of them may not be edited.
   */
  async update(changes: QueryUpdate): Promise<number> {
    const pending: Record<string, unknown> = {}
    for (const [field, value] of Object.entries(changes)) {
      if (value === undefined) continue
      if (!['name', 'description', 'tags', 'extendedProperties'].includes(field)) {
        throw new TelestoError(
          'unknown_field',
          `A query cannot update ${field}: name, description, tags and extendedProperties only.`,
          { field },
        )
      }
      const checked = check(FIELDS[field as keyof typeof FIELDS], value, field)
      pending[field] = field === 'extendedProperties' ? toJson(checked, field) : checked
    }
    if (Object.keys(pending).length === 0) return 0
    return await this.#carryOut('edit', async (_core, tx, rows) => {
      await editJobs(tx, await tx.now(), rows, pending, askedBy(this.#viewer))
    })
  }

  /** Commits the order to run for every job that matches and was never executed; answers how many those were. */
  async execute(): Promise<number> {
    return await this.#carryOut('execute', actions.execute, ALLOWED.execute)
  }
  /** Asks for the end of every job that matches and is active; answers how many those were. */
  async stop(): Promise<number> {
    return await this.#carryOut('stop', actions.stop, ALLOWED.stop)
  }
  /**
   * Deletes every job that matches; with `stop`, active ones are stopped first, without it none at all is deleted if one of
   * them is active (`job_is_active`). Nor if a job that stays waits for one of them (`job_has_children`). Answers how many.
   */
  async delete(options: { readonly stop?: boolean } = {}): Promise<number> {
    const gone: number[] = []
    const remove = actions.remove({ stop: options.stop === true })
    const collecting: actions.JobAction = async (core, tx, rows, asked) => {
      await remove(core, tx, rows, asked)
      for (const { id } of rows) gone.push(id)
    }
    return await this.#carryOut('delete', collecting, undefined, async (tx) => {
      for (let start = 0; start < gone.length; start += CHUNK)
        await actions.refuseToOrphan(tx, gone.slice(start, start + CHUNK))
    })
  }

  /**
   * Does something to all jobs that match (and are wanted), in one transaction with finding them, a constant number of
   * statements for each chunk of them. Answers how many they were. Throws `forbidden`, and nothing is done, for one of them.
   */
  async #carryOut(
    action: Action,
    carryOut: actions.JobAction,
    wanted: (row: JobRow) => boolean = () => true,
    finish: (tx: Transaction) => Promise<void> = async () => {},
  ): Promise<number> {
    const { database } = this.#core
    const where = this.#where()
    if (where === null) return 0
    const work = async (tx: Transaction): Promise<number> => {
      const ids = await findJobIds(tx, where, this.#page)
      let count = 0
      for (let start = 0; start < ids.length; start += CHUNK) {
        const found = await readJobs(tx, ids.slice(start, start + CHUNK))
        const chosen = found.filter(({ row }) => wanted(row))
        this.#demand(action, chosen)
        const rows = chosen.map(({ row }) => row)
        await carryOut(this.#core, tx, rows, askedBy(this.#viewer))
        if (this.#viewer) await insertAudit(tx, await tx.now(), this.#viewer, action, rows)
        count += rows.length
      }
      await finish(tx)
      return count
    }
    const count = await database.write(work, { alone: true })
    this.#core.committed()
    return count
  }
  #demand(action: Action, jobs: readonly WholeJob[]): void {
    const denied = jobs.find((whole) => !new Job(this.#core, this.#viewer, whole).permits(action))
    if (!denied) return
    throw new TelestoError('forbidden', `You may not ${action} job ${denied.row.id}.`, { field: 'action' })
  }

  #with(change: Partial<Plan>): JobQuery {
    if (this.#plan.offset > 0 || this.#plan.limit !== null) {
      throw new TelestoError('invalid', 'A query is filtered and ordered before it is sliced.', { field: 'slice' })
    }
    return new JobQuery(this.#core, this.#viewer, {}, { ...this.#plan, ...change })
  }

  /** null: this viewer sees nothing. */
  #where(): Condition | null {
    return visibleTo(this.#core, this.#viewer, this.#plan.filters, this.#plan.excluded)
  }

  get #page(): Page {
    const { order, offset, limit } = this.#plan
    return { order: order.replace(/^-/, '') as OrderField, descending: order.startsWith('-'), offset, limit }
  }
  async #jobs(reader: Pick<Transaction, 'all'>): Promise<Job[]> {
    const where = this.#where()
    const found = where ? await findJobs(reader, where, this.#page) : []
    return found.map((whole) => new Job(this.#core, this.#viewer, whole))
  }

  #described(): string {
    const { filters, excluded } = this.#plan
    return JSON.stringify([...filters, ...excluded.map((filter) => ({ exclude: filter }))])
  }
}
