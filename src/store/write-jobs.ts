import { type Doer, insertAudit } from './audit.js'
import { columnOf } from './columns.js'
import type { Transaction, Value } from './database.js'
import { insertEvents } from './events.js'
import { insertRows } from './insert.js'
import { type JobRow, type NewJob, NO_ATTEMPT, OWN_COLUMNS, type WholeJob } from './jobs.js'

/** What a new row holds, column by column. */
const NEW_ROW: readonly (readonly [column: string, value: (job: NewJob, now: number) => Value])[] = [
  ['app', (job) => job.app],
  ['name', (job) => job.name],
  ['description', (job) => job.description],
  ['user_id', (job) => job.user],
  ['job_type', (job) => job.jobType],
  ['spec', (job) => job.spec],
  ['needs_scheduler', (job) => (job.needsScheduler ? 1 : 0)],
  ['task', (job) => job.task],
  ['scheduler_setting', (job) => job.schedulerSetting],
  ['scheduler_id', (job) => job.schedulerId],
  ['workspace', (job) => job.workspace],
  ['process_results', (job) => job.processResults],
  ['on_parent_failure', (job) => job.onParentFailure],
  ['extended_properties', (job) => job.extendedProperties],
  ['status_changed_at', (_, now) => now],
  ['creation_time', (_, now) => now],
]

/** Inserts jobs with what belongs to them; answers them in order, as they are stored. `{id}` in a name becomes the job's id. */
export const insertJobs = async (tx: Transaction, jobs: readonly NewJob[], doer?: Doer): Promise<WholeJob[]> => {
  const now = await tx.now()
  const columns = NEW_ROW.map(([column]) => column)
  const values = jobs.map((job) => NEW_ROW.map(([, value]) => value(job, now)))
  const rows = await insertRows<Omit<JobRow, keyof typeof NO_ATTEMPT>>(tx, 'telesto_jobs', columns, values, OWN_COLUMNS)
  const ids = rows.sort((a, b) => a.id - b.id).map(({ id }) => id)
  const whole = rows.map((row, index) => {
    const job = jobs[index] as NewJob
    return {
      row: { ...row, ...NO_ATTEMPT, name: row.name.replaceAll('{id}', `${row.id}`) },
      groups: job.groups.toSorted(),
      tags: Object.fromEntries(Object.entries(job.tags).sort(([a], [b]) => (a < b ? -1 : 1))),
      parents: [...job.parents, ...job.after.map((place) => ids[place] as number)].sort((a, b) => a - b),
    }
  })
  const named = ids.filter((_, index) => jobs[index]?.name.includes('{id}'))
  if (named.length > 0) {
    await tx.run(
      `UPDATE telesto_jobs SET name = REPLACE(name, '{id}', CAST(id AS TEXT)) WHERE id IN (${named.join(', ')})`,
    )
  }
  await insertRows(
    tx,
    'telesto_groups',
    ['job_id', 'name', 'user_id', 'job_name', 'status_code', 'creation_time'],
    whole.flatMap(({ row, groups }) =>
      groups.map((group) => [row.id, group, row.userId, row.name, row.statusCode, row.creationTime]),
    ),
  )
  await insertRows(
    tx,
    'telesto_tags',
    ['job_id', 'name', 'value'],
    whole.flatMap(({ row, tags }) => Object.entries(tags).map(([name, value]) => [row.id, name, value])),
  )
  await insertRows(
    tx,
    'telesto_parents',
    ['job_id', 'parent_id'],
    whole.flatMap(({ row, parents }) => parents.map((parent) => [row.id, parent])),
  )
  await insertEvents(
    tx,
    now,
    whole.map(({ row }) => ({ kind: 'created', app: row.app, jobId: row.id })),
  )
  if (doer)
    await insertAudit(
      tx,
      now,
      doer,
      'create',
      ids.map((id) => ({ id })),
    )
  return whole
}

/** Fields that are columns of a job's own row; the others have rows of their own. */
const OWN_FIELDS = ['name', 'description', 'statusMessage', 'progress', 'onParentFailure', 'spec', 'extendedProperties']

/** Writes edited fields of jobs: their columns, and the rows that belong to them. `{id}` in a name becomes the job's id. */
export const updateFields = async (
  tx: Transaction,
  ids: readonly number[],
  pending: Partial<Record<string, unknown>>,
): Promise<void> => {
  const fields = OWN_FIELDS.filter((field) => pending[field] !== undefined)
  if (fields.length > 0) {
    const sets = fields.map((field, index) => {
      const value = `$${index + 1}`
      return `${columnOf(field)} = ${field === 'name' ? `REPLACE(${value}, '{id}', CAST(id AS TEXT))` : value}`
    })
    const values = fields.map((field) => pending[field] as Value)
    await tx.run(`UPDATE telesto_jobs SET ${sets.join(', ')} WHERE id IN (${ids.join(', ')})`, values)
  }
  await replaceBelongings(tx, ids, pending as Parameters<typeof replaceBelongings>[2])
}

/** What a person changed on jobs, with an event for each of them. */
export const editJobs = async (
  tx: Transaction,
  now: number,
  rows: readonly Pick<JobRow, 'id' | 'app'>[],
  pending: Partial<Record<string, unknown>>,
  by: { readonly by?: string },
): Promise<void> => {
  await updateFields(
    tx,
    rows.map(({ id }) => id),
    pending,
  )
  const data = { fields: Object.keys(pending), ...by }
  await insertEvents(
    tx,
    now,
    rows.map(({ id, app }) => ({ kind: 'edited', app, jobId: id, data })),
  )
}

/** Replaces the groups, tags or parents of jobs. */
const replaceBelongings = async (
  tx: Transaction,
  ids: readonly number[],
  {
    groups,
    tags,
    parents,
  }: {
    readonly groups?: readonly string[]
    readonly tags?: Readonly<Record<string, string>>
    readonly parents?: readonly number[]
  },
): Promise<void> => {
  const these = ids.join(', ')
  if (groups) await tx.run(`DELETE FROM telesto_groups WHERE job_id IN (${these})`)
  for (const group of groups ?? []) {
    await tx.run(
      `INSERT INTO telesto_groups (job_id, name, user_id, job_name, status_code, creation_time, execute_time, start_time, completion_time)
       SELECT id, $1, user_id, name, status_code, creation_time, execute_time, start_time, completion_time
       FROM telesto_jobs WHERE id IN (${these})`,
      [group],
    )
  }
  if (tags) {
    await tx.run(`DELETE FROM telesto_tags WHERE job_id IN (${these})`)
    const rows = ids.flatMap((id) => Object.entries(tags).map(([name, value]) => [id, name, value]))
    await insertRows(tx, 'telesto_tags', ['job_id', 'name', 'value'], rows)
  }
  if (parents) {
    await tx.run(`DELETE FROM telesto_parents WHERE job_id IN (${these})`)
    const rows = ids.flatMap((id) => parents.map((parent) => [id, parent]))
    await insertRows(tx, 'telesto_parents', ['job_id', 'parent_id'], rows)
  }
}
