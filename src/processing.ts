import type { Core } from './core.js'
import type { ResultsContext, RunProcessResults } from './engine/collect.js'
import { Job } from './job.js'
import { updateFields } from './store/write-jobs.js'

/**
 * Runs when a job's results are here, at least once. What it sets on `job` (extendedProperties, statusMessage, description,
 * tags, progress) commits together with Complete; it need not save. What it returns, unless undefined, is JSON and becomes the
 * job's result, in place of what the job computed. An error is retried, about ten times in an hour.
 */
export type ProcessResults = (job: Job, results: ResultsContext) => unknown

/** Runs an app's function on a job, and gathers what it set: that is committed with Complete, or not at all. */
export const processing =
  (core: Core, functionOf: (app: string, name: string) => ProcessResults | undefined): RunProcessResults =>
  async (name, whole, context) => {
    const job = new Job(core, undefined, whole)
    const result = await functionOf(whole.row.app, name)?.(job, context)
    const pending = job.pendingChanges()
    return { result, commit: async (tx) => await updateFields(tx, [job.id], pending) }
  }
