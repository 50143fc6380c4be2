import { filesOf } from './inputs.js'
import type { Kind } from './kind.js'
import type { CondorSpec } from './spec.js'
import { describe } from './submit-description.js'
import { workflow } from './workflow-kind.js'

/** A job of one or many procs. */
const job: Kind = {
  prepare: async ({ spec, inputRoots }, place) => {
    const condorSpec = spec as CondorSpec
    const description = describe(condorSpec, place)
    return {
      files: await filesOf(condorSpec, inputRoots),
      texts: new Map(),
      folders: description.folders,
      submit: description,
    }
  },
}

export const KINDS: Readonly<Record<string, Kind>> = { CONDOR: job, CONDORWORKFLOW: workflow }
