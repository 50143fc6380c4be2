import type { GraphNode } from './adapter.js'
import { TelestoError } from './errors.js'
import { cycleIn, levelsOf, pathOf } from './parent-graph.js'
import type { StoredPart } from './store/history.js'

/** A node of a job's graph: what must be done before it, and how it is. */
export interface GraphPart {
  readonly name: string
  /** 0 where it waits for nothing, else one more than the deepest of its parents. */
  readonly level: number
  /** The names of the nodes that must be done before it. */
  readonly parents: readonly string[]
  /** How it is in the current attempt; null as long as nobody told. */
  readonly part: StoredPart | null
}

const parentsOf = (nodes: readonly GraphNode[]) => new Map(nodes.map(({ name, parents }) => [name, parents]))

/** Throws `parents_cycle`, with the path, where parts of a job would wait for each other. */
export const checkGraph = (nodes: readonly GraphNode[]): void => {
  const cycle = cycleIn(parentsOf(nodes))
  if (!cycle) return
  const message = `The node ${cycle[0]} would wait for itself: ${pathOf(cycle)}.`
  throw new TelestoError('parents_cycle', message, { field: 'nodes' })
}

/** The nodes by level, in their own order within one, each with its part. Pure. */
export const graphOf = (nodes: readonly GraphNode[], parts: readonly StoredPart[]): GraphPart[] => {
  const levels = levelsOf(parentsOf(nodes))
  const known = new Map(parts.map((part) => [part.name, part]))
  return nodes
    .map(({ name, parents }) => ({ name, level: levels.get(name) ?? 0, parents, part: known.get(name) ?? null }))
    .sort((a, b) => a.level - b.level)
}
