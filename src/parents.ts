import { type Viewer, visibleTo } from './access.js'
import type { Core } from './core.js'
import { TelestoError } from './errors.js'
import { cycleIn, pathOf } from './parent-graph.js'
import type { Transaction } from './store/database.js'
import type { JobRow, NewJob } from './store/jobs.js'
import { findJobIds } from './store/list.js'

type Reader = Pick<Transaction, 'all'>

/** So many ids in one statement. */
const CHUNK = 500

/** Those of these jobs that are in the app, and that whoever asks sees. */
export const visibleParents = async (
  core: Pick<Core, 'access' | 'database'>,
  viewer: Viewer,
  reader: Reader,
  app: string,
  ids: Iterable<number>,
): Promise<ReadonlySet<number>> => {
  const wanted = [...new Set(ids)]
  const found = new Set<number>()
  const page = { order: 'id', descending: false, offset: 0, limit: null } as const
  for (let start = 0; start < wanted.length; start += CHUNK) {
    const where = visibleTo(core, viewer, [{ id: wanted.slice(start, start + CHUNK), app }])
    if (where) for (const id of await findJobIds(reader, where, page)) found.add(id)
  }
  return found
}

/**
 * A job may wait for parents if a scheduler runs it (`invalid`); they are jobs of its app that whoever names them sees
 * (`unknown_parent`).
 */
export const checkParents = (
  {
    app,
    jobType,
    needsScheduler,
    parents,
    after,
  }: Pick<NewJob, 'app' | 'jobType' | 'needsScheduler' | 'parents' | 'after'>,
  visible: ReadonlySet<number>,
): void => {
  if (!needsScheduler && parents.length + after.length > 0) {
    throw new TelestoError('invalid', `This ${jobType} job runs on no scheduler, so it cannot wait for parents.`, {
      field: parents.length > 0 ? 'parents' : 'after',
    })
  }
  const missing = parents.find((id) => !visible.has(id))
  if (missing === undefined) return
  throw new TelestoError('unknown_parent', `There is no job ${missing} in the app ${app} to wait for.`, {
    field: 'parents',
  })
}

/**
 * Other parents for a job that is stored already: only before it was ever executed (`action_not_allowed`), and only where no
 * job would then wait for itself (`parents_cycle`). Inside the transaction that stores them: of two who make the halves of a
 * cycle at the same moment, the second one is refused.
 */
export const checkNewParents = async (
  core: Pick<Core, 'access' | 'database'>,
  viewer: Viewer,
  tx: Transaction,
  row: JobRow,
  parents: readonly number[],
): Promise<void> => {
  // Raises the version, so that execute() of the same moment reads the job again.
  const before = await tx.run(
    `UPDATE telesto_jobs SET status_version = status_version + 1
     WHERE id = $1 AND status_version = $2 AND status_code = 'PEN' AND attempt_id IS NULL`,
    [row.id, row.statusVersion],
  )
  if (before === 0) {
    const message = `Job ${row.id} was executed already: its parents stay. They can be changed before that.`
    throw new TelestoError('action_not_allowed', message, { field: 'parents' })
  }
  const known = await tx.all<{ id: number }>('SELECT parent_id AS id FROM telesto_parents WHERE job_id = $1', [row.id])
  const kept = new Set(known.map(({ id }) => id))
  // Who may edit the job need not see the parents that it has.
  const added = parents.filter((id) => !kept.has(id))
  const cycle = await findCycle(tx, row.id, added)
  if (cycle) throw inCircle(`Job ${row.id} would wait for itself: ${pathOf(cycle)}.`, 'parents')
  const wanted = { app: row.app, jobType: row.jobType, needsScheduler: row.needsScheduler === 1, after: [] }
  checkParents({ ...wanted, parents: added }, await visibleParents(core, viewer, tx, row.app, added))
}

const inCircle = (message: string, field: string): TelestoError =>
  new TelestoError('parents_cycle', `${message} Leave one of these parents out.`, { field })

/**
 * The shortest way from a job over these parents back to itself, or undefined. It walks upward level by level; each job is
 * asked for its parents once, so that time and memory are linear in what is reachable.
 */
const findCycle = async (reader: Reader, id: number, parents: readonly number[]): Promise<number[] | undefined> => {
  if (parents.includes(id)) return [id, id]
  const [child] = await reader.all('SELECT job_id FROM telesto_parents WHERE parent_id = $1 LIMIT 1', [id])
  if (!child) return undefined // Nobody waits for it: no way leads back.
  /** Each job that was reached, and through which. */
  const via = new Map(parents.map((parent) => [parent, id]))
  for (let level = [...via.keys()]; level.length > 0; ) {
    const next: number[] = []
    for (let start = 0; start < level.length; start += CHUNK) {
      const edges = await reader.all<{ parent: number; job: number }>(
        `SELECT parent_id AS parent, MIN(job_id) AS job FROM telesto_parents
         WHERE job_id IN (${level.slice(start, start + CHUNK).join(', ')}) GROUP BY parent_id`,
      )
      for (const { parent, job } of edges) {
        if (parent === id) return [...pathDown(via, id, job), id]
        if (via.has(parent)) continue
        via.set(parent, job)
        next.push(parent)
      }
    }
    level = next
  }
  return undefined
}

const pathDown = (via: ReadonlyMap<number, number>, top: number, from: number): number[] => {
  const path: number[] = []
  for (let job = from; job !== top; job = via.get(job) as number) path.push(job)
  return [top, ...path.toReversed()]
}

/** Places of parents in the same call: they must be there (`invalid`), and none may wait for itself (`parents_cycle`). */
export const checkPlaces = (jobs: readonly Pick<NewJob, 'after'>[]): void => {
  for (const [place, { after }] of jobs.entries()) {
    const missing = after.find((other) => !Object.hasOwn(jobs, other))
    if (missing === undefined) continue
    const message = `Job ${place}: after: there is no place ${missing} in this array of ${jobs.length} jobs.`
    throw new TelestoError('invalid', message, { field: `${place}.after` })
  }
  const cycle = cycleIn(new Map(jobs.map(({ after }, place) => [place, after])))
  if (!cycle) return
  const message = `The job at place ${cycle[0]} would wait for itself: ${pathOf(cycle)}.`
  throw inCircle(message, `${cycle[0]}.after`)
}
