import './check-node.js'

export type { Access, Action, JobOwnership, User } from './access.js'
export {
  type Adapter,
  type AdapterContext,
  type AdapterDefaults,
  type Answer,
  type AttributeValue,
  defineAdapter,
  type ExecOptions,
  type ExecResult,
  type GraphNode,
  type HandedOver,
  type JobPart,
  type JobRef,
  type JobReport,
  type JobState,
  type Logger,
  type LogName,
  type LogWindow,
  type NativeId,
  type Scheduler,
  SchedulerError,
  type SchedulerErrorCode,
  type SpecAttributes,
  type SubmitRequest,
  type Token,
  type Transport,
} from './adapter.js'
export type { AppOptions } from './app-options.js'
export type { Clock } from './clock.js'
export type { SchedulerSettingDeclaration } from './core.js'
export { createTelesto } from './create-telesto.js'
export type { StatusCategories } from './custom-statuses.js'
export type { ResultsContext } from './engine/collect.js'
export type { ToldPart } from './engine/parts.js'
export { JobDoesNotExist, MultipleJobsReturned, TelestoError, type TelestoErrorCode } from './errors.js'
export type { JobFilter } from './filters.js'
export type { GraphPart } from './graph.js'
export type { Job } from './job.js'
export type { HistoryEntry, HistoryPage } from './job-history.js'
export type { GetJobOptions, JobManager, ListJobsOptions } from './job-manager.js'
export type {
  BulkJobOptions,
  CreateJobOptions,
  JobOptions,
  OnParentFailure,
  TaskDeclaration,
  Tasks,
} from './job-options.js'
export { defineJobTypes } from './job-types.js'
export type { ProcessResults } from './processing.js'
export type { JobQuery, Order, QueryUpdate } from './query.js'
export type { ResultFile } from './results.js'
export type { SchedulerTest } from './schedulers/ask.js'
export type { NewScheduler, RemoveScheduler, SchedulerChanges } from './schedulers/change.js'
export type { SchedulerLimits } from './schedulers/limits.js'
export type { SchedulerRecord } from './schedulers/records.js'
export type { Rotated } from './schedulers/rotate.js'
export type { SchedulerSetting } from './schedulers/settings.js'
export {
  activeStatuses,
  displayStatuses,
  isActive,
  isSettled,
  nonTerminalStatusCodes,
  nonTerminalStatuses,
  preRunningStatuses,
  reverseStatuses,
  runningStatuses,
  type StatusClass,
  type StatusCode,
  type StatusName,
  statuses,
  terminalStatusCodes,
  terminalStatuses,
  validStatuses,
} from './status.js'
export type { AttemptHistory, StoredPart } from './store/history.js'
export { MAX_RESULT_BYTES, type RunTask, type TaskContext } from './task.js'
export type { Telesto } from './telesto.js'
export type { TelestoOptions } from './telesto-options.js'
export type { HostKey } from './transport/ssh-host-key.js'
export { SSH_SECRETS, type SshTarget, sshFields, sshTargetOf } from './transport/ssh-target.js'
export type { UserView } from './user-view.js'
export type { StatusAnswer, WaitOptions } from './waiting/wait.js'
export type { ReturnWhen, Waited, WaitedFor, WaitManyOptions } from './waiting/wait-many.js'
