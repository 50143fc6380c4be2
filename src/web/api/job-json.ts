import { z } from 'zod'
import type { Action } from '../../access.js'
import { JOB_STATES } from '../../adapter.js'
import type { Job } from '../../job.js'
import { displayStatuses, STATUS_CLASSES, type StatusCode } from '../../status.js'
import { ACTIONS } from '../act.js'
import type { Possible } from '../possible.js'

const JOB_ACTIONS = [...ACTIONS, 'edit'] as const

const time = z.iso.datetime().nullable()
const json = z.unknown()

/** A job as the API tells it. Times are ISO 8601 in UTC, `runTime` is in milliseconds. */
export const jobSchema = z
  .object({
    id: z.int(),
    app: z.string(),
    name: z.string(),
    description: z.string(),
    user: z.string(),
    groups: z.array(z.string()),
    jobType: z.string(),
    spec: json,
    scheduler: z.string().nullable(),
    processResults: z.string().nullable(),
    workspace: z.string(),
    parents: z.array(z.int()),
    onParentFailure: z.enum(['abort', 'wait', 'run']),
    tags: z.record(z.string(), z.string()),
    extendedProperties: z.record(z.string(), json),
    status: z.string(),
    statusCode: z.enum(Object.keys(displayStatuses) as StatusCode[]),
    customStatus: z.string().nullable(),
    statusClass: z.enum(STATUS_CLASSES).nullable(),
    statusMessage: z.string().nullable(),
    statuses: z.partialRecord(z.enum(JOB_STATES), z.int()).describe('How many parts are in each state.'),
    submitting: z.boolean(),
    isActive: z.boolean(),
    isSettled: z.boolean(),
    order: z.string().nullable(),
    waitingFor: z.string().nullable(),
    progress: z.number().nullable(),
    reason: z.string().nullable(),
    cause: z.string().nullable(),
    exitCode: z.int().nullable(),
    nativeState: z.string().nullable(),
    nativeId: z.string().nullable(),
    attempt: z.int().nullable(),
    creationTime: time,
    executeTime: time,
    startTime: time,
    completionTime: time,
    lastStatusUpdate: time,
    runTime: z.number().nullable(),
    url: z.string(),
    actions: z.array(z.enum(JOB_ACTIONS)).describe('What this user can do with it now.'),
  })
  .meta({ id: 'Job', description: 'A job. Times are ISO 8601 in UTC; runTime is in milliseconds.' })

/** The names of actions in paths and answers. */
const actionName = (action: Exclude<Action, 'read'>): (typeof JOB_ACTIONS)[number] =>
  action === 'updateStatus' ? 'update-status' : action

export const iso = (date: Date | number | null): string | null => (date === null ? null : new Date(date).toISOString())

export const toJobJson = (job: Job, possible: Possible): z.output<typeof jobSchema> => ({
  id: job.id,
  app: job.app,
  name: job.name,
  description: job.description,
  user: job.user,
  groups: [...job.groups],
  jobType: job.jobType,
  spec: job.spec,
  scheduler: job.scheduler,
  processResults: job.processResults,
  workspace: job.workspace,
  parents: [...job.parents],
  onParentFailure: job.onParentFailure,
  tags: { ...job.tags },
  extendedProperties: job.extendedProperties,
  status: job.status,
  statusCode: job.statusCode,
  customStatus: job.customStatus,
  statusClass: job.statusClass,
  statusMessage: job.statusMessage,
  statuses: job.statuses,
  submitting: job.submitting,
  isActive: job.isActive,
  isSettled: job.isSettled,
  order: job.order,
  waitingFor: job.waitingFor,
  progress: job.progress,
  reason: job.reason,
  cause: job.cause,
  exitCode: job.exitCode,
  nativeState: job.nativeState,
  nativeId: job.nativeId,
  attempt: job.attempt,
  creationTime: iso(job.creationTime),
  executeTime: iso(job.executeTime),
  startTime: iso(job.startTime),
  completionTime: iso(job.completionTime),
  lastStatusUpdate: iso(job.lastStatusUpdate),
  runTime: job.runTime,
  url: job.url,
  actions: possible(job).map(actionName),
})
