/** Jobs, or parts of one, by id or name, with those that must be done before each. */
export type ParentGraph<K> = ReadonlyMap<K, readonly K[]>

/**
 * How deep each stands: 0 where it waits for nothing, else one more than the deepest of its parents. Those that wait for each
 * other, or for such, are missing. In time linear in nodes and parents. Parents that are no keys do not matter. Pure.
 */
export const levelsOf = <K>(parents: ParentGraph<K>): Map<K, number> => {
  const waitsFor = new Map<K, number>()
  const children = new Map<K, K[]>()
  for (const [job, all] of parents) {
    const here = new Set(all.filter((parent) => parents.has(parent)))
    waitsFor.set(job, here.size)
    for (const parent of here) {
      const known = children.get(parent)
      if (known) known.push(job)
      else children.set(parent, [job])
    }
  }
  // Each job after its parents; those that wait for each other never come.
  const levels = new Map([...parents.keys()].filter((job) => waitsFor.get(job) === 0).map((job) => [job, 0]))
  for (const [job, level] of levels) {
    for (const child of children.get(job) ?? []) {
      const left = (waitsFor.get(child) ?? 0) - 1
      waitsFor.set(child, left)
      // The last of its parents to come is one of the deepest.
      if (left === 0) levels.set(child, level + 1)
    }
  }
  return levels
}

/** The nodes of a cycle, each waiting for the next, from one of them back to it; undefined where there is none. Pure. */
export const cycleIn = <K>(parents: ParentGraph<K>): K[] | undefined => {
  const levels = levelsOf(parents)
  return levels.size === parents.size ? undefined : cycleAmong(parents, levels)
}

/** Each job that has no place in the order waits for another one that has none: who follows these comes back. */
const cycleAmong = <K>(parents: ParentGraph<K>, ordered: ReadonlyMap<K, number>): K[] => {
  const stuck = (job: K): boolean => parents.has(job) && !ordered.has(job)
  const path = new Map<K, number>()
  let job = [...parents.keys()].find(stuck) as K
  while (!path.has(job)) {
    path.set(job, path.size)
    job = parents.get(job)?.find(stuck) as K
  }
  return [...[...path.keys()].slice(path.get(job)), job]
}

/** "12 → 15 → 12" */
export const pathOf = (jobs: readonly (number | string)[]): string => jobs.join(' → ')
