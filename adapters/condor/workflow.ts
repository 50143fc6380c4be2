import { SchedulerError } from '../../src/adapter.js'
import type { CondorWorkflowOptions, WorkflowNodeOptions } from './workflow-spec.js'

/** What a node is made of; parents are other nodes, not their names. */
export type WorkflowJobNodeOptions = Omit<WorkflowNodeOptions, 'parents' | 'children'> & {
  /** The workflow that the node joins, as its last one. */
  readonly workflow: CondorWorkflow
}

/**
 * A workflow that is put together node by node, as in Tethys. `toSpec()` gives the options of a CONDORWORKFLOW job: plain data,
 * which createJob checks. Nothing here touches a scheduler or a database.
 */
export class CondorWorkflow {
  readonly nodes: CondorWorkflowJobNode[] = []
  /** How many jobs of a category are in the queue at once. */
  maxJobs: Record<string, number>
  /** DAGMan's own configuration: the path of a file, or settings by their names. */
  config: CondorWorkflowOptions['config']
  /** Files that the nodes share. */
  remoteInputFiles: readonly string[]

  constructor({ maxJobs = {}, config, remoteInputFiles = [] }: Partial<Omit<CondorWorkflowOptions, 'nodes'>> = {}) {
    this.maxJobs = { ...maxJobs }
    this.config = config
    this.remoteInputFiles = remoteInputFiles
  }

  /** How many nodes it has. */
  get numJobs(): number {
    return this.nodes.length
  }
  /** The node of that name, or null. */
  getJob(name: string): CondorWorkflowJobNode | null {
    return this.nodes.find((node) => node.name === name) ?? null
  }
  addMaxJobsThrottle(category: string, maxJobs: number): void {
    this.maxJobs[category] = maxJobs
  }

  /** The options for createJob, beside those of every job: `{ name, user, jobType: 'CONDORWORKFLOW', ...workflow.toSpec() }`. */
  toSpec(): CondorWorkflowOptions {
    return {
      nodes: this.nodes.map((node) => node.toSpec()),
      ...(Object.keys(this.maxJobs).length > 0 ? { maxJobs: { ...this.maxJobs } } : {}),
      ...(this.config === undefined ? {} : { config: this.config }),
      ...(this.remoteInputFiles.length > 0 ? { remoteInputFiles: [...this.remoteInputFiles] } : {}),
    }
  }
}

/** A node of a workflow. Its options are those of WorkflowJobNodeOptions; any of them may be changed until `toSpec()`. */
export class CondorWorkflowJobNode {
  readonly name: string
  readonly workflow: CondorWorkflow
  readonly options: Omit<WorkflowNodeOptions, 'name' | 'parents' | 'children'>
  readonly #parents = new Set<CondorWorkflowJobNode>()

  constructor({ name, workflow, ...options }: WorkflowJobNodeOptions) {
    this.name = name
    this.workflow = workflow
    this.options = options
    workflow.nodes.push(this)
  }

  get type(): NonNullable<WorkflowNodeOptions['type']> {
    return this.options.type ?? 'JOB'
  }
  /** What it runs: the options of a CONDOR job. */
  get job(): WorkflowNodeOptions['job'] {
    return this.options.job
  }
  get parentNodes(): readonly CondorWorkflowJobNode[] {
    return [...this.#parents]
  }
  get parents(): readonly string[] {
    return this.parentNodes.map(({ name }) => name)
  }
  get childrenNodes(): readonly CondorWorkflowJobNode[] {
    return this.workflow.nodes.filter((node) => node.#parents.has(this))
  }

  /** This node waits for `parent`. Throws for a node of another workflow. Cycles are found by createJob, with their path. */
  addParent(parent: CondorWorkflowJobNode): this {
    if (parent.workflow !== this.workflow)
      throw new SchedulerError('invalid_job', `The nodes ${parent.name} and ${this.name} are of different workflows.`)
    this.#parents.add(parent)
    return this
  }
  addChild(child: CondorWorkflowJobNode): this {
    child.addParent(this)
    return this
  }
  removeParent(parent: CondorWorkflowJobNode): this {
    this.#parents.delete(parent)
    return this
  }

  /** The node as data, its parents by name. */
  toSpec(): WorkflowNodeOptions {
    return { name: this.name, ...this.options, ...(this.#parents.size > 0 ? { parents: [...this.parents] } : {}) }
  }
}
