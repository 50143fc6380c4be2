import type { Action, JobOwnership, Viewer } from './access.js'
import type { AttributeValue, JobState } from './adapter.js'
import { ALLOWED } from './allowed.js'
import { readAttribute, refuseExecuted, withAttribute } from './attributes.js'
import type { Core } from './core.js'
import { TelestoError } from './errors.js'
import { whatHinders } from './hindrance.js'
import type { OnParentFailure } from './job-options.js'
import { check, FIELDS, toJson } from './options.js'
import { isActive, isSettled, type StatusClass, type StatusCode, statusText } from './status.js'
import type { JobRow, NewJob, WholeJob } from './store/jobs.js'
import { unsavedRow } from './unsaved-row.js'

/** Fields that a caller may change. */
export type Editable = keyof typeof FIELDS

const date = (time: number | null | undefined): Date | null =>
  time === null || time === undefined ? null : new Date(time)

/** A job as its row was when it was read, with the changes that a caller made since. Reading it does no I/O. */
export class JobPicture {
  /** @internal */
  protected readonly core: Core
  /** @internal */
  protected readonly viewer: Viewer
  /** @internal */
  protected whole: WholeJob
  /** @internal */
  protected unsaved: NewJob | undefined
  /** @internal */
  protected edited = new Map<Editable, unknown>()
  /** @internal */
  protected extended: Record<string, unknown> | undefined
  /** @internal As JSON. */
  protected editedSpec: string | undefined

  /** @internal Jobs come from a JobManager. */
  constructor(core: Core, viewer: Viewer, from: WholeJob | NewJob) {
    this.core = core
    this.viewer = viewer
    if ('row' in from) this.whole = from
    else {
      this.unsaved = from
      this.whole = { row: unsavedRow(from), groups: from.groups, tags: from.tags, parents: from.parents }
    }
  }

  /** @internal */
  protected get row(): JobRow {
    return this.whole.row
  }
  private edit<T>(field: Editable, stored: T): T {
    return this.edited.has(field) ? (this.edited.get(field) as T) : stored
  }

  /** A safe integer, unique for ever. Throws `job_not_saved` before the first save. */
  get id(): number {
    if (this.unsaved)
      throw new TelestoError('job_not_saved', 'The job has no id yet: save() or execute() it first.', { field: 'id' })
    return this.row.id
  }
  /** The app that created the job; Tethys calls it the label. */
  get app(): string {
    return this.row.app
  }
  get label(): string {
    return this.row.app
  }
  get user(): string {
    return this.row.userId
  }
  get jobType(): string {
    return this.row.jobType
  }
  get type(): string {
    return this.row.jobType
  }
  /** The validated options of the job's type. */
  get spec(): unknown {
    return JSON.parse(this.editedSpec ?? this.row.spec)
  }
  /**
   * What the job has under a name of its scheduler's own, a command of condor_submit: as it was given, or by its template;
   * undefined for none. Throws `not_supported` for a job type without attributes.
   */
  getAttribute(name: string): AttributeValue {
    return readAttribute(this.core, this.jobType, this.spec, name)
  }
  /**
   * Sets it, over all that was given before; undefined takes it away. It can be changed until the job is executed
   * (`action_not_allowed`), and is stored by save() or execute(). Throws as createJob() does for a value that is wrong.
   */
  setAttribute(name: string, value: AttributeValue): void {
    refuseExecuted(this.row)
    this.editedSpec = withAttribute(this.core, this.jobType, this.spec, name, value)
  }
  /** The option `attributes`, of a job type that has it; {} otherwise. */
  get attributes(): Readonly<Record<string, AttributeValue>> {
    return (this.spec as { readonly attributes?: Record<string, AttributeValue> } | null)?.attributes ?? {}
  }
  /** The name of the scheduler setting that the job uses, or null. */
  get scheduler(): string | null {
    return this.row.schedulerSetting
  }
  get processResults(): string | null {
    return this.row.processResults
  }
  /** The directory given as workspace, or "": then the default one. */
  get workspace(): string {
    return this.row.workspace
  }
  /** The jobs that must be Complete first. They can be changed until the job is executed. */
  get parents(): readonly number[] {
    return this.edit('parents', this.whole.parents)
  }
  set parents(ids: readonly number[]) {
    this.edited.set('parents', check(FIELDS.parents, ids, 'parents'))
  }
  /** What becomes of the job when a parent fails. It is looked at when all parents have ended. */
  get onParentFailure(): OnParentFailure {
    return this.edit('onParentFailure', this.row.onParentFailure)
  }
  set onParentFailure(what: OnParentFailure) {
    this.edited.set('onParentFailure', check(FIELDS.onParentFailure, what, 'onParentFailure'))
  }

  get name(): string {
    return this.edit('name', this.row.name)
  }
  set name(name: string) {
    this.edited.set('name', check(FIELDS.name, name, 'name'))
  }
  get description(): string {
    return this.edit('description', this.row.description)
  }
  set description(description: string) {
    this.edited.set('description', check(FIELDS.description, description, 'description'))
  }
  /** A message of the app's or the job's own, shown beside the status. */
  get statusMessage(): string | null {
    return this.edit('statusMessage', this.row.statusMessage)
  }
  set statusMessage(message: string | null) {
    this.edited.set('statusMessage', check(FIELDS.statusMessage, message, 'statusMessage'))
  }
  /** 0 to 1, or null where nobody told. */
  get progress(): number | null {
    return this.edit('progress', this.row.progress)
  }
  set progress(progress: number | null) {
    this.edited.set('progress', check(FIELDS.progress, progress, 'progress'))
  }
  get groups(): readonly string[] {
    return this.edit('groups', this.whole.groups)
  }
  set groups(groups: readonly string[]) {
    this.edited.set('groups', check(FIELDS.groups, groups, 'groups'))
  }
  get tags(): Readonly<Record<string, string>> {
    return this.edit('tags', this.whole.tags)
  }
  set tags(tags: Readonly<Record<string, string>>) {
    this.edited.set('tags', check(FIELDS.tags, tags, 'tags'))
  }
  /** The app's own properties. Changes at any depth are saved by save(). */
  get extendedProperties(): Record<string, unknown> {
    this.extended ??= JSON.parse(this.row.extendedProperties) as Record<string, unknown>
    return this.extended
  }
  set extendedProperties(properties: Record<string, unknown>) {
    this.extended = check(FIELDS.extendedProperties, properties, 'extendedProperties')
  }

  /** The display name: "Running"; for a status of the app's own, its text. Reads the row, never a scheduler. */
  get status(): string {
    return statusText(this.row)
  }
  get statusCode(): StatusCode {
    return this.row.statusCode
  }
  /** A text of the app's own beside the status, or null. */
  get customStatus(): string | null {
    return this.row.customStatus
  }
  /** What a status of the app's own means, as it was classified when it was set; null for any other, and without a class. */
  get statusClass(): StatusClass | null {
    return this.row.statusClass
  }
  /** How many parts of the current attempt are in each state; empty where it has none. */
  get statuses(): Readonly<Partial<Record<JobState, number>>> {
    return JSON.parse(this.row.partStates ?? '{}')
  }
  /** execute() is committed, and the scheduler has not yet accepted the job. */
  get submitting(): boolean {
    return this.row.statusCode === 'PEN' && this.row.executeTime !== null && this.row.needsScheduler === 1
  }
  /** What a person asked and the engine has not finished: "submit", "cancel", "hold", "release", or null. */
  get order(): string | null {
    return this.row.orderName
  }
  /** Why that order, or the collecting of results, is not finished yet: an error, or a parent. null where nothing hinders it. */
  get waitingFor(): string | null {
    return whatHinders(this.core, this.whole)
  }
  /** From the commit of execute() until the scheduler's last word. */
  get isActive(): boolean {
    return isActive(this.row)
  }
  /** Complete, Error, Aborted, Various-Complete, or a terminal status of the app's own. */
  get isSettled(): boolean {
    return isSettled(this.row)
  }
  /** Why it is in Error or was Aborted: "walltime", "memory", "node", "preempted", "dependency", "submit", "lost", "results", "abandoned". */
  get cause(): string | null {
    return this.row.cause
  }
  /** A sentence for people: why the job is as it is. */
  get reason(): string | null {
    return this.row.reason
  }
  get exitCode(): number | null {
    return this.row.exitCode
  }
  /** The scheduler's own word, and its own name for the job. */
  get nativeState(): string | null {
    return this.row.nativeState
  }
  get nativeId(): string | null {
    return this.row.nativeId
  }
  /** 1 for the first attempt; null before it. */
  get attempt(): number | null {
    return this.row.attemptNumber
  }
  /** null before the first save. */
  get creationTime(): Date | null {
    return this.unsaved ? null : date(this.row.creationTime)
  }
  /** When execute() was committed. */
  get executeTime(): Date | null {
    return date(this.row.executeTime)
  }
  /** When it was first running, by the scheduler's clock where that tells. */
  get startTime(): Date | null {
    return date(this.row.startTime)
  }
  get completionTime(): Date | null {
    return date(this.row.completionTime)
  }
  /** When anything about the status last changed. */
  get lastStatusUpdate(): Date | null {
    return date(this.row.lastStatusUpdate)
  }
  /** Milliseconds from the start (or from execute()) to the end or to now; null before execute(). */
  get runTime(): number | null {
    const from = this.row.startTime ?? this.row.executeTime
    const now = Date.now() + this.core.clock.databaseOffset()
    return from === null ? null : Math.max(0, (this.row.completionTime ?? now) - from)
  }
  /** The address of the job's page: absolute where Telesto knows its url, else a path. */
  get url(): string {
    return this.core.urls.page(`/jobs/${this.id}`)
  }

  /** Whether this viewer may do it and the job's status allows it. */
  can(action: Action): boolean {
    return this.permits(action) && (action === 'read' || action === 'edit' || ALLOWED[action](this.row))
  }
  /** @internal Whether this viewer may do it. It is asked of the job as it is stored: an unsaved change gives nobody a right. */
  permits(action: Action): boolean {
    const { row, groups } = this.whole
    const stored: JobOwnership = { id: row.id, app: row.app, user: row.userId, groups }
    return !this.viewer || this.core.access.may(this.viewer.user, action, stored)
  }

  /** What `res.json(job)` sends. */
  toJSON(): Record<string, unknown> {
    return { id: this.unsaved ? null : this.id, ...Object.fromEntries(SHOWN.map((name) => [name, this[name]])) }
  }

  /** @internal The record that runs its attempt, null before there is one; undefined where no scheduler runs it. */
  get record(): number | null | undefined {
    return this.row.needsScheduler === 0 ? undefined : this.row.attemptSchedulerId
  }

  /** @internal Another text for each status, order and progress that was stored. */
  get version(): string {
    return `${this.row.statusVersion} ${this.row.lastStatusUpdate}`
  }

  /** @internal What was changed and not saved. */
  pendingChanges(): Partial<Record<Editable | 'spec', unknown>> {
    const pending: Partial<Record<Editable | 'spec', unknown>> = Object.fromEntries(this.edited)
    if (this.editedSpec !== undefined && this.editedSpec !== this.row.spec) pending.spec = this.editedSpec
    if (this.extended) {
      const json = toJson(this.extended, 'extendedProperties')
      if (json !== this.row.extendedProperties) pending.extendedProperties = json
    }
    return pending
  }
}

const SHOWN =
  `app name description user groups jobType spec scheduler workspace parents onParentFailure processResults tags
  extendedProperties status statusCode customStatus statusClass statusMessage statuses submitting progress isActive
  isSettled order waitingFor cause reason exitCode nativeState nativeId attempt creationTime executeTime startTime completionTime lastStatusUpdate
  runTime`.split(/\s+/) as (keyof JobPicture)[]
