import type { Job } from '../../job.js'
import type { Links } from '../links.js'
import { jobGone, jobNews } from '../pages/job.js'
import { readJobData, watchedParents } from '../pages/job-data.js'
import type { Batch, Changes } from './batch.js'
import { shownIds } from './ids.js'
import type { LiveView } from './live.js'

/** The page of one job. `ids`: the parents that it shows while it waits for them. */
export const jobView = (links: Links, { id, parents }: Pick<Job, 'id' | 'parents'>, ids: string): LiveView => {
  let watched: readonly number[] = shownIds(ids).filter((parent) => parents.includes(parent))
  const told = async (batch: Batch, job: Job) =>
    await batch.onceFor(job, `page ${links.base}`, async () => {
      const data = await readJobData(batch.core, links, batch.user, job, await batch.possible())
      return { news: { html: jobNews(data) }, parents: watchedParents(data) }
    })
  const concerns = (changes: Changes): boolean => changes.has(id) || watched.some((parent) => changes.has(parent))
  return {
    shows: (changes) => (concerns(changes) ? [id] : []),
    async news(batch) {
      if (!concerns(batch.changes)) return undefined
      const job = (await batch.shown()).get(id)
      const { news, parents: shown } = job ? await told(batch, job) : { news: { html: jobGone(id) }, parents: [] }
      watched = shown
      return news
    },
  }
}
