import type { Job } from '../../job.js'
import type { Links } from '../links.js'
import { jobGone, jobNews } from '../pages/job.js'
import { readJobData, watchedParents } from '../pages/job-data.js'
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
      const made = await batch.once<{ readonly html: string; readonly watched: readonly number[] }>(
        `job ${id} ${links.base}`,
        async () => {
          const job = (await batch.shown()).get(id)
          if (!job) return { html: jobGone(id), watched: [] }
          const data = await readJobData(batch.core, links, batch.user, job, await batch.possible())
          return { html: jobNews(data), watched: watchedParents(data) }
        },
      )
      watched = made.watched
      return { html: made.html }
    },
  }
}
