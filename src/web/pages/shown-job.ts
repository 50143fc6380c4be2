import type { User } from '../../access.js'
import type { Core } from '../../core.js'
import type { Job } from '../../job.js'
import type { Links } from '../links.js'
import type { Moment } from '../live/shared.js'
import { possibleNow, rightsOf } from '../possible.js'
import { renderJob, type ShownJob } from './job.js'
import { readDetails } from './job-data.js'

/**
 * What this person is shown of a job that they were found to see in this moment. It is read and rendered once in a moment for
 * all who see the same of the job as it is stored now, and may do the same with it.
 */
export const shownJob = async (core: Core, links: Links, user: User, job: Job, moment: Moment): Promise<ShownJob> => {
  const possible = await possibleNow(core, moment)
  const stored = `${job.id} ${job.version} ${user.isAdmin === true}`
  return await moment.once(`shown ${stored} ${rightsOf(user, possible(job))} ${links.base}`, async () => {
    const details = await moment.once(`details ${stored}`, async () => await readDetails(core, job))
    return renderJob({ ...details, links, job, possible }, moment.newest)
  })
}
