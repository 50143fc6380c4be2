import type { Core } from './core.js'
import type { RunProcessResults } from './engine/collect.js'
import { Job, updateFields } from './job.js'

/** Runs an app's function on a job, and gathers what it set: that is committed with Complete, or not at all. */
export const processing =
  (core: Core): RunProcessResults =>
  async (process, whole, context) => {
    const job = new Job(core, undefined, whole)
    await process(job, context)
    const pending = job.pendingChanges()
    return async (tx) => await updateFields(tx, job.id, pending)
  }
