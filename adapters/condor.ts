import { z } from 'zod'
import { defineAdapter } from '../src/adapter.js'
import { SSH_SECRETS, sshFields, sshTargetOf } from '../src/transport/ssh-target.js'
import { condorAttributes } from './condor/attributes.js'
import { connectCondor } from './condor/scheduler.js'
import { condorSpec } from './condor/spec.js'
import { type CondorWorkflowSpec, condorWorkflowSpec, workflowGraph } from './condor/workflow-spec.js'

export { CondorWorkflow, CondorWorkflowJobNode } from './condor/workflow.js'

/**
 * Jobs of HTCondor 10 and later: a schedd whose commands are on this machine (`host` is empty) or on another that is reached over SSH.
 * There it needs HTCondor's commands, sh, tar, flock and the usual tools of Linux, and a file system on which flock holds.
 *
 * A batch of jobs is one round trip, so is a question for all of them. A job's id is `<cluster>.<proc>`, or
 * `<cluster>.<first>-<last>`, opaque; several jobs may share a cluster. A job is found again by its ClassAd's `TelestoToken`.
 *
 * - A job of several procs has a part for each.
 * - A workflow is a DAG that DAGMan runs: a part for each node. `hold` and `release` are for DAGMan and all of its nodes.
 * - A job that HTCondor holds is Paused, with the reason; it may be released.
 * - Logs are the files that the procs write, and `events.log`.
 * - What `.telesto` in the directory of an attempt holds is Telesto's own, and never a result.
 */
export const condor = defineAdapter({
  type: 'condor',
  label: 'HTCondor',
  config: z.strictObject(sshFields),
  secrets: SSH_SECRETS,
  specs: { CONDOR: condorSpec, CONDORWORKFLOW: condorWorkflowSpec },
  aliases: { CONDORJOB: 'CONDOR' },
  attributes: { CONDOR: condorAttributes },
  defaults: { pollSeconds: 5, maxIdsPerPoll: 50_000, maxSubmitsPerMinute: 6000 },
  graph: (jobType, spec) => (jobType === 'CONDORWORKFLOW' ? workflowGraph(spec as CondorWorkflowSpec) : undefined),
  ssh: sshTargetOf,
  connect: (config, context) => connectCondor(context, { here: config.host === '' }),
})

/** A record of a pool: its name and its configuration, and what of a Telesto stores it. */
export type CondorScheduler = { readonly name: string } & z.input<typeof condor.config>
interface Creates<R> {
  createScheduler(record: {
    readonly name: string
    readonly adapter: 'condor'
    readonly config: Readonly<Record<string, unknown>>
  }): Promise<R>
}

/**
 * Stores the record of a pool: `telesto.createScheduler` with the adapter `condor`. An absent host is this machine. Throws as that does:
 * TelestoError that names the field; `scheduler_name_taken`; `secrets_without_key`.
 *
 *     await createCondorScheduler(telesto, { name: 'pool', host: 'submit.example', username: 'portal', privateKeyPath })
 */
export const createCondorScheduler = async <R>(telesto: Creates<R>, { name, ...config }: CondorScheduler): Promise<R> =>
  await telesto.createScheduler({ name, adapter: 'condor', config })
