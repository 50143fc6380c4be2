import type { Links } from '../links.js'
import { jobGone, jobNews } from '../pages/job.js'
import { readJobData } from '../pages/job-data.js'
import type { LiveView } from './live.js'

/** The page of one job. */
export const jobView = (links: Links, id: number): LiveView => ({
  shows: (changes) => (changes.has(id) ? [id] : []),
  async news(batch) {
    if (!batch.changes.has(id)) return undefined
    return await batch.once(`job ${id} ${links.base}`, async () => {
      const job = (await batch.shown()).get(id)
      if (!job) return { html: jobGone(id) }
      return { html: jobNews(await readJobData(batch.core, links, batch.user, job, await batch.possible())) }
    })
  },
})
