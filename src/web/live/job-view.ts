import type { Job } from '../../job.js'
import type { Links } from '../links.js'
import { jobGone } from '../pages/job.js'
import { shownJob } from '../pages/shown-job.js'
import type { Changes } from './batch.js'
import { shownIds } from './ids.js'
import type { LiveView } from './live.js'

/** The page of one job. `ids`: the parents that it shows while it waits for them. */
export const jobView = (links: Links, { id, parents }: Pick<Job, 'id' | 'parents'>, ids: string): LiveView => {
  let watched: readonly number[] = shownIds(ids).filter((parent) => parents.includes(parent))
  const concerns = (changes: Changes): boolean => changes.has(id) || watched.some((parent) => changes.has(parent))
  return {
    shows: (changes) => (concerns(changes) ? [id] : []),
    async news(batch) {
      if (!concerns(batch.changes)) return undefined
      const job = (await batch.shown()).get(id)
      if (!job) {
        watched = []
        return { html: jobGone(id) }
      }
      const { news, parents: shown } = await shownJob(batch.core, links, batch.user, job, batch.burst.moment)
      watched = shown
      return news
    },
  }
}
