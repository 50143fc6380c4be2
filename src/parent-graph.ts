/**
 * Jobs of a cycle, each waiting for the next, from one of them back to it; undefined where there is none. In time linear in
 * jobs and parents. Parents that are no keys of `parents` do not matter. Pure.
 */
export const cycleIn = (parents: ReadonlyMap<number, readonly number[]>): number[] | undefined => {
  const waitsFor = new Map<number, number>()
  const children = new Map<number, number[]>()
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
  const ordered = new Set([...parents.keys()].filter((job) => waitsFor.get(job) === 0))
  for (const job of ordered) {
    for (const child of children.get(job) ?? []) {
      const left = (waitsFor.get(child) ?? 0) - 1
      waitsFor.set(child, left)
      if (left === 0) ordered.add(child)
    }
  }
  return ordered.size === parents.size ? undefined : cycleAmong(parents, ordered)
}

/** Each job that has no place in the order waits for another one that has none: who follows these comes back. */
const cycleAmong = (parents: ReadonlyMap<number, readonly number[]>, ordered: ReadonlySet<number>): number[] => {
  const stuck = (job: number): boolean => parents.has(job) && !ordered.has(job)
  const path = new Map<number, number>()
  let job = [...parents.keys()].find(stuck) as number
  while (!path.has(job)) {
    path.set(job, path.size)
    job = parents.get(job)?.find(stuck) as number
  }
  return [...[...path.keys()].slice(path.get(job)), job]
}

/** "12 → 15 → 12" */
export const pathOf = (jobs: readonly number[]): string => jobs.join(' → ')
