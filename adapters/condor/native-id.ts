import type { NativeId } from '../../src/adapter.js'

/** The procs of one job: several jobs may share a cluster, in which each has a range of its own. */
export interface Procs {
  readonly cluster: number
  readonly first: number
  readonly last: number
}

/** `12.3`, or `12.3-7` for a job of several procs. Opaque to the core. */
export const nativeIdOf = ({ cluster, first, last }: Procs): NativeId =>
  first === last ? `${cluster}.${first}` : `${cluster}.${first}-${last}`

/** Undefined for what is no id of this adapter. */
export const procsOf = (id: NativeId): Procs | undefined => {
  const match = /^(\d{1,9})\.(\d{1,9})(?:-(\d{1,9}))?$/.exec(id)
  if (!match) return undefined
  const [cluster, first, last] = [Number(match[1]), Number(match[2]), Number(match[3] ?? match[2])]
  return last < first ? undefined : { cluster, first, last }
}

/** How many procs the job of this id has; 0 for what is no id of this adapter. */
export const countOf = (id: NativeId): number => {
  const procs = procsOf(id)
  return procs ? procs.last - procs.first + 1 : 0
}

/** The ids of the jobs that these procs are of, by their tokens. A job has one cluster: the first that is told. */
export const idsOf = (
  found: Iterable<{ readonly token: string; readonly cluster: number; readonly proc: number }>,
): Map<string, NativeId> => {
  const jobs = new Map<string, Procs>()
  for (const { token, cluster, proc } of found) {
    const known = jobs.get(token)
    if (known && known.cluster !== cluster) continue
    const first = Math.min(known?.first ?? proc, proc)
    jobs.set(token, { cluster, first, last: Math.max(known?.last ?? proc, proc) })
  }
  return new Map([...jobs].map(([token, procs]) => [token, nativeIdOf(procs)]))
}
