import type { SubmitRequest } from '../../src/adapter.js'
import type { InputFile } from './inputs.js'
import type { JobPlace, SubmitDescription } from './submit-description.js'

/** What an attempt needs in its directory, and how it is submitted from there. */
export interface Prepared {
  /** Files of this machine that travel with it. */
  readonly files: readonly InputFile[]
  /** Files that are written there, by their paths in the directory. */
  readonly texts: ReadonlyMap<string, string>
  readonly folders: readonly string[]
  /** By condor_submit, together with others; or by a condor_submit_dag of its own, with these arguments. */
  readonly submit: SubmitDescription | { readonly dag: readonly string[] }
}

/** What differs between the job types of HTCondor. */
export interface Kind {
  /** Throws SchedulerError: `invalid_job` for a job that can never run. */
  prepare(request: SubmitRequest, place: JobPlace): Promise<Prepared>
}
