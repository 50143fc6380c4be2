import type { JobRef } from '../../src/adapter.js'
import { DAG_CONFIG, submitDagArguments, workflowFiles } from './dag-file.js'
import { filesOf, type InputFile } from './inputs.js'
import type { Kind } from './kind.js'
import type { CondorSpec } from './spec.js'
import { PREVIOUS_FILE, previousText } from './take-over.js'
import type { CondorWorkflowSpec } from './workflow-spec.js'

/** A workflow: what DAGMan reads, and every file of its nodes. */
export const workflow: Kind = {
  prepare: async ({ spec, inputRoots, previous, workdir, token }, place) => {
    const condorSpec = spec as CondorWorkflowSpec
    const { files, folders } = workflowFiles(condorSpec, place)
    const before = previous && previousText(previous as JobRef, { workdir, token })
    return {
      files: await inputsOf(condorSpec, inputRoots),
      texts: new Map([...files, ...(before === undefined ? [] : [[PREVIOUS_FILE, before] as const])]),
      folders,
      submit: { dag: submitDagArguments(condorSpec, place) },
    }
  },
}

const travels = (path: string | undefined): path is string => path !== undefined && !path.startsWith('/')

/** Throws SchedulerError `invalid_job`, which names the file, as filesOf() does. */
const inputsOf = async (spec: CondorWorkflowSpec, roots: readonly string[]): Promise<InputFile[]> => {
  const named = async (paths: readonly string[]): Promise<readonly InputFile[]> =>
    await filesOf({ numJobs: 1, attributes: {}, remoteInputFiles: [...new Set(paths)] } as CondorSpec, roots)
  const scripts = spec.nodes.flatMap(({ preScript, postScript }) => [preScript, postScript].filter(travels))
  const dags = spec.nodes.flatMap(({ file }) => (file === undefined ? [] : [file]))
  const config = typeof spec.config === 'string' ? await named([spec.config]) : []
  const all = [
    ...(await named([...(spec.remoteInputFiles ?? []), ...dags])),
    ...(await named(scripts)).map((file) => ({ ...file, mode: file.mode | 0o700 })),
    ...config.map((file) => ({ ...file, to: DAG_CONFIG })),
  ]
  // Nodes that differ in their arguments alone have the same files.
  const seen = new Set<string>()
  for (const { job, parents, preScript } of spec.nodes) {
    if (!job) continue
    const { arguments: _, environment: __, ...rest } = job
    const made = parents.length > 0 || preScript !== undefined
    const key = JSON.stringify([rest, made])
    if (seen.has(key)) continue
    seen.add(key)
    all.push(...(await filesOf(job, roots, made)))
  }
  return [...new Map(all.map((file) => [file.to, file])).values()]
}
