import { lstat, readdir, rm, rmdir } from 'node:fs/promises'
import path from 'node:path'
import type { Core } from '../core.js'
import { defaultWorkspace, isInside, jobDirectory } from '../directories.js'
import { forgetNews, NEWS } from '../store/events.js'

/** Progress, and that a job was deleted, are news and not history: forgotten after this time, in milliseconds. */
const KEEP_NEWS_MS = 3_600_000
const TURN = 200

interface Deleted {
  readonly id: number
  readonly app: string
  readonly userId: string
  readonly workspace: string
}

/**
 * Removes deleted jobs of which nothing is left on any scheduler: their directories, then their rows. Safe to repeat and to
 * cut short anywhere. Answers how many were removed.
 */
export const removeDeleted = async (core: Core): Promise<number> => {
  const { database } = core
  const jobs = await database.all<Deleted>(
    `SELECT j.id AS id, j.app AS app, j.user_id AS "userId", j.workspace AS workspace FROM telesto_jobs j
     WHERE j.deleted_at IS NOT NULL
       AND NOT EXISTS (SELECT 1 FROM telesto_attempts a WHERE a.job_id = j.id AND (a.scheduler_id IN (SELECT id FROM telesto_schedulers) OR a.collect_until > ${database.now()}))
       AND NOT EXISTS (SELECT 1 FROM telesto_strays s WHERE s.job_id = j.id)
     ORDER BY j.id LIMIT ${TURN}`,
  )
  let removed = 0
  for (const job of jobs) {
    try {
      await removeDirectory(core, job)
    } catch (error) {
      core.log.warn(
        { job: job.id, error: String(error) },
        'the directory of a deleted job could not be removed; it is tried again',
      )
      continue
    }
    await database.write(async (tx) => {
      await tx.run('DELETE FROM telesto_parents WHERE parent_id = $1', [job.id])
      // That it was deleted is news for other processes, and forgotten like other news.
      await tx.run(`DELETE FROM telesto_events WHERE job_id = $1 AND kind <> 'deleted'`, [job.id])
      await tx.run('UPDATE telesto_jobs SET attempt_id = NULL WHERE id = $1', [job.id])
      await tx.run('DELETE FROM telesto_jobs WHERE id = $1 AND deleted_at IS NOT NULL', [job.id])
    })
    removed++
  }
  return removed
}

/** Only `<workspace>/<id>`, which Telesto made, and then what is empty above it up to the root. A link is never followed. */
const removeDirectory = async (core: Core, job: Deleted): Promise<void> => {
  const workspace = job.workspace || defaultWorkspace(core.jobsRoot, job.app, job.userId)
  const directory = jobDirectory(workspace, job.id)
  const facts = await lstat(directory).catch(() => undefined)
  if (facts?.isDirectory()) await rm(directory, { recursive: true, force: true })
  let above = workspace
  while (above !== core.jobsRoot && isInside(core.jobsRoot, above)) {
    const entries = await readdir(above).catch(() => undefined)
    if (entries === undefined || entries.length > 0) return
    await rmdir(above).catch(() => {})
    above = path.dirname(above)
  }
}

export const forgetOldNews = async (core: Core): Promise<void> => {
  const { database } = core
  const before = (await database.readNow()) - KEEP_NEWS_MS
  const [old] = await database.all<{ id: number }>(`SELECT id FROM telesto_events WHERE at < $1 AND ${NEWS} LIMIT 1`, [
    before,
  ])
  if (old) await database.write(async (tx) => await forgetNews(tx, before))
}
