import type { Core } from './core.js'
import type { ResultsContext, RunProcessResults } from './engine/collect.js'
import { Job, updateFields } from './job.js'

/**
 * Runs when a job's results are here, at least once. What it sets on `job` (extendedProperties, statusMessage, description,
 * tags, progress) commits together with Complete; it need not save. An error is retried, about ten times in an hour.
 */
export type ProcessResults = (job: Job, results: ResultsContext) => void | Promise<void>

/** Runs an app's function on a job, and gathers what it set: that is committed with Complete, or not at all. */
export const processing =
  (core: Core, functionOf: (app: string, name: string) => ProcessResults | undefined): RunProcessResults =>
  async (name, whole, context) => {
    const job = new Job(core, undefined, whole)
    await functionOf(whole.row.app, name)?.(job, context)
    const pending = job.pendingChanges()
    return async (tx) => await updateFields(tx, [job.id], pending)
  }
