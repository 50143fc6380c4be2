import type { CreateJobOptions } from 'telesto'
import { CondorWorkflow, CondorWorkflowJobNode, type condor } from 'telesto/adapters/condor'

type Options = CreateJobOptions<readonly [typeof condor]>

/** A program of the examples, wherever HTCondor runs it: `node.sh`, the folders with the code, and the Node of this machine. */
const program = (args: readonly string[], transferInputFiles: readonly string[]) => ({
  executable: 'condor-nile/node.sh',
  arguments: args,
  environment: { NODE: process.execPath },
  transferInputFiles,
  shouldTransferFiles: 'YES' as const,
  whenToTransferOutput: 'ON_EXIT' as const,
  requestCpus: 1,
  requestMemory: 256,
})

/** The whole analysis, once for each of twenty seeds: twenty jobs, handed over together. */
export const twentyRuns = (user: string): Options[] =>
  Array.from({ length: 20 }, (_, index) => ({
    jobType: 'CONDOR' as const,
    name: `Nile, seed ${index + 1}`,
    user,
    scheduler: 'pool',
    tags: { kind: 'run' },
    processResults: 'readResult',
    ...program(['nile/analyse.ts', '--seed', `${index + 1}`, '--resamples', '2000'], ['nile']),
  }))

const PARTS = 8

/** The same as one workflow: split, eight parts of the resamples side by side, merge, plot. */
export const workflow = (user: string, resamples: number): Options => {
  const dag = new CondorWorkflow()
  const step = (name: string, args: readonly string[], files: readonly string[] = []) =>
    new CondorWorkflowJobNode({
      workflow: dag,
      name,
      job: program(['condor-nile/step.ts', ...args], ['condor-nile', 'nile', ...files]),
    })
  const split = step('split', ['split', `${PARTS}`, `${resamples}`])
  const tallies = Array.from({ length: PARTS }, (_, part) => `tally-${part}.json`)
  const merge = step('merge', ['merge', `${PARTS}`], tallies)
  for (let part = 0; part < PARTS; part++) {
    const bootstrap = step(`bootstrap-${part}`, ['bootstrap', `${part}`], [`part-${part}.json`])
    bootstrap.addParent(split)
    merge.addParent(bootstrap)
  }
  step('plot', ['plot'], ['summary.json']).addParent(merge)
  return {
    jobType: 'CONDORWORKFLOW',
    name: 'Nile, in eight parts',
    user,
    scheduler: 'pool',
    tags: { kind: 'workflow' },
    processResults: 'readResult',
    ...dag.toSpec(),
  }
}
