/** Jobs in an order in which each comes after its parents; where there is none, jobs of a cycle, each waiting for the next. */
export interface Ordered {
  readonly order: readonly number[]
  /** Starts and ends with the same job. Absent: `order` holds them all. */
  readonly cycle?: readonly number[]
}

/** Orders jobs in time linear in jobs and parents. Parents that are no keys of `parents` do not matter. Pure. */
export const parentsFirst = (parents: ReadonlyMap<number, readonly number[]>): Ordered => {
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
  const order = [...parents.keys()].filter((job) => waitsFor.get(job) === 0)
  for (const job of order) {
    for (const child of children.get(job) ?? []) {
      const left = (waitsFor.get(child) ?? 0) - 1
      waitsFor.set(child, left)
      if (left === 0) order.push(child)
    }
  }
  if (order.length === parents.size) return { order }
  return { order, cycle: cycleAmong(parents, new Set(order)) }
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
