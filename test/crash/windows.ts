import type { Scene } from './evidence.ts'
import { reading } from './reading.ts'
import type { Place, Target } from './target.ts'

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

interface Attempt extends Place {
  readonly number: number
  readonly handedOverAt: number | null
}

/**
 * The windows that a server was in when it was killed: by what it left in the database and on the disk. Where another server
 * lives on, some of it may be that one's.
 */
export const windowsIn = async (scene: Scene, target: Target): Promise<ReadonlySet<Window>> => {
  const found = new Set<Window>()
  try {
    await reading(scene, async (all) => {
      const attempts = await all<Attempt>(
        `SELECT a.token, COALESCE(a.target_workdir, a.workdir) AS workdir, a.number, a.handed_over_at AS "handedOverAt" FROM telesto_attempts a
         JOIN telesto_jobs j ON j.attempt_id = a.id WHERE a.native_id IS NULL AND a.order_name IN ('submit', 'cancel')`,
      )
      for (const attempt of attempts) {
        if (attempt.handedOverAt === null) found.add('order committed')
        else found.add(target.isClaimed(attempt) ? 'accepted but not stored' : 'handed over')
        if (attempt.number > 1) found.add('between attempts')
      }
      const there = async (sql: string): Promise<boolean> => (await all(`${sql} LIMIT 1`)).length > 0
      if (await there('SELECT id FROM telesto_schedulers WHERE poll_owner IS NOT NULL')) found.add('polled')
      if (await there('SELECT id FROM telesto_attempts WHERE collect_owner IS NOT NULL AND collect_due_at IS NOT NULL'))
        found.add('collecting')
      if (await there('SELECT id FROM telesto_jobs WHERE deleted_at IS NOT NULL')) found.add('deleting')
    })
  } catch (error) {
    // Killed before there were tables.
    if (!/unable to open|no such table/.test(String(error))) throw error
  }
  return found
}
