import { readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** Where in the life of a job a kill can fall. One kill may fall into several, since there are several jobs. */
export const WINDOWS = [
  'order committed',
  'handed over',
  'accepted but not stored',
  'polled',
  'collecting',
  'deleting',
  'between attempts',
] as const
export type Window = (typeof WINDOWS)[number]
/** How many kills fell into each. */
export type Windows = Readonly<Record<Window, number>>

interface Attempt {
  readonly token: string
  readonly workdir: string
  readonly number: number
  readonly handed: number
}

/** The windows that a server was in when it was killed: by what it left in the database and on the disk. */
export const windowsIn = (file: string): ReadonlySet<Window> => {
  const found = new Set<Window>()
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(file, { readOnly: true })
    const attempts = database
      .prepare(
        `SELECT a.token, a.workdir, a.number, a.handed_over_at IS NOT NULL AS handed FROM telesto_attempts a
         JOIN telesto_jobs j ON j.attempt_id = a.id WHERE a.native_id IS NULL AND a.order_name IN ('submit', 'cancel')`,
      )
      .all() as unknown as Attempt[]
    for (const attempt of attempts) {
      if (attempt.handed === 0) found.add('order committed')
      else found.add(isClaimed(attempt) ? 'accepted but not stored' : 'handed over')
      if (attempt.number > 1) found.add('between attempts')
    }
    const there = (sql: string): boolean => database?.prepare(`SELECT EXISTS (${sql}) AS there`).get()?.there === 1
    if (there('SELECT 1 FROM telesto_schedulers WHERE poll_owner IS NOT NULL')) found.add('polled')
    if (there('SELECT 1 FROM telesto_attempts WHERE collect_owner IS NOT NULL AND collect_due_at IS NOT NULL'))
      found.add('collecting')
    if (there('SELECT 1 FROM telesto_jobs WHERE deleted_at IS NOT NULL')) found.add('deleting')
  } catch (error) {
    // Killed before there were tables.
    if (!/unable to open|no such table/.test(String(error))) throw error
  } finally {
    database?.close()
  }
  return found
}

/** A process has taken the token; recover() does so too, to give it up. */
const isClaimed = ({ workdir, token }: Attempt): boolean => {
  try {
    return !readlinkSync(join(workdir, '.telesto', token, 'claim')).startsWith('telesto:')
  } catch {
    return false
  }
}
