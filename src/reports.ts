import { z } from 'zod'
import { JOB_STATES, type JobState, type Token } from './adapter.js'
import type { Core } from './core.js'
import { TelestoError } from './errors.js'
import { check, FIELDS, line } from './options.js'
import { setStatus, tellNews, tellParts } from './own-status.js'
import { isSettled, statusCodeOf } from './status.js'
import type { Transaction } from './store/database.js'
import { insertEvents } from './store/events.js'
import { countParts } from './store/history.js'
import { type JobRow, readJobRow } from './store/jobs.js'
import type { News } from './store/progress.js'

/** What a job may say of itself. Everything is optional; `nodes` tells the states of its parts by name; a job without a scheduler gets those that it had not. */
export const reportSchema = z.strictObject({
  status: FIELDS.name.optional(),
  message: FIELDS.statusMessage.optional(),
  progress: FIELDS.progress.optional(),
  nodes: z.record(line(255), z.enum(JOB_STATES)).optional(),
})

export interface ReportAnswer {
  /** False: the scheduler of this job says what its status is; it has been poked instead. Absent: no status was sent. */
  readonly statusApplied?: boolean
  /** How many of the nodes are parts of the job. */
  readonly nodesApplied?: number
}

type Body = z.output<typeof reportSchema>

/** So many nodes share a statement. */
const CHUNK = 500

/**
 * A signed report. Throws `report_refused` alike for an unknown job, a wrong token and that of an old attempt; then
 * `already_settled`; then `invalid`, naming the field. Progress and messages do not raise the version of the status.
 */
export const report = async (core: Core, jobId: number, presented: string, body: unknown): Promise<ReportAnswer> => {
  const token = core.tokens.attemptOf(presented)
  if (token === undefined) throw refused()
  if (await tellProgress(core, jobId, token, body)) return {}
  authorise(await readJobRow(core.database, jobId), token)
  const news = check(reportSchema, body)
  const answer = await core.database.write(async (tx) => {
    const row = await readJobRow(tx, jobId)
    authorise(row, token)
    return await apply(core, tx, row, news)
  })
  core.committed()
  if (answer.statusApplied === false || answer.nodesApplied !== undefined) core.pokes.job(jobId)
  return answer
}

const refused = () =>
  new TelestoError('report_refused', 'This job does not exist, or the token is not that of its current attempt.')

function authorise(row: JobRow | undefined, token: Token): asserts row is JobRow {
  if (!row || row.deletedAt !== null || row.token !== token) throw refused()
  if (isSettled(row))
    throw new TelestoError('already_settled', `Job ${row.id} has already finished.`, { field: 'status' })
}

/** Most reports tell progress and nothing else. False, and nothing was written, for all that must be looked at. */
const tellProgress = async (core: Core, id: number, token: Token, body: unknown): Promise<boolean> => {
  const { data } = reportSchema.safeParse(body)
  if (data === undefined || data.status !== undefined || data.nodes !== undefined) return false
  const news = newsOf(data)
  const told = Object.keys(news).length > 0 && (await core.progress({ id, token, news }))
  if (told) core.told()
  return told
}

const newsOf = ({ message, progress }: Body): News => ({
  ...(message === undefined ? {} : { statusMessage: message }),
  ...(progress === undefined ? {} : { progress }),
})

const apply = async (core: Core, tx: Transaction, row: JobRow, news: Body): Promise<ReportAnswer> => {
  const fields = newsOf(news)
  const now = await tx.now()
  const nodesApplied = news.nodes === undefined ? undefined : await applyNodes(tx, row, news.nodes, now)
  const answer = nodesApplied === undefined ? {} : { nodesApplied }
  const code = news.status === undefined ? undefined : statusCodeOf(news.status)
  const owned = row.needsScheduler === 1 && code !== undefined
  if (news.status !== undefined && !owned) {
    await setStatus(core, tx, row, news.status, fields, {})
    return { ...answer, statusApplied: true }
  }
  await tellNews(tx, row, fields, now)
  return owned ? { ...answer, statusApplied: false } : answer
}

/** Told states hold until a poll that was asked after them. */
const applyNodes = async (
  tx: Transaction,
  row: JobRow,
  nodes: Readonly<Record<string, JobState>>,
  now: number,
): Promise<number> => {
  const told = Object.entries(nodes).map(([name, state]) => ({ name, state }))
  if (row.needsScheduler === 0) {
    await tellParts(tx, row, told, now, 'nodes')
    return told.length
  }
  let applied = 0
  for (const [state, nodes] of Map.groupBy(told, (node) => node.state)) {
    for (let start = 0; start < nodes.length; start += CHUNK) {
      const names = nodes.slice(start, start + CHUNK).map(({ name }) => name)
      applied += await tx.run(
        `UPDATE telesto_parts SET state = $1, reported_at = $2
         WHERE attempt_id = $3 AND name IN (${names.map((_, index) => `$${index + 4}`).join(', ')})`,
        [state, now, row.attemptId, ...names],
      )
    }
  }
  if (applied > 0) {
    await countParts(tx, row.attemptId as number)
    await insertEvents(tx, now, [{ kind: 'parts', app: row.app, jobId: row.id, attempt: row.attemptNumber }])
  }
  return applied
}
