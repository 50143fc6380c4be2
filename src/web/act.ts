import { z } from 'zod'
import { TelestoError } from '../errors.js'
import type { Job } from '../job.js'
import { actionName } from './api/job-json.js'
import { BUTTONS } from './possible.js'

/** What can be asked of a job by its path. */
export const ACTIONS = [...BUTTONS, 'updateStatus'].map(actionName)

/** The body of an action, as JSON or as a form. */
export const actionBody = z.object({
  /** delete: stop it first, if it is active. */
  stop: z.union([z.boolean(), z.enum(['true', 'false']).transform((text) => text === 'true')]).optional(),
  /** update-status: the status to set; absent, an earlier poll is asked for. */
  status: z.string().optional(),
})

/** Does it, as the viewer of `job`. Throws TelestoError: `unknown_action`, or what the job throws. */
export const act = async (job: Job, action: string, body: z.output<typeof actionBody>): Promise<void> => {
  switch (action) {
    case 'execute':
      return await job.execute()
    case 'stop':
      return await job.stop()
    case 'pause':
      return await job.pause()
    case 'resume':
      return await job.resume()
    case 'resubmit':
      return await job.resubmit()
    case 'collect':
      return await job.collectAgain()
    case 'delete':
      return await job.delete({ stop: body.stop === true })
    case 'update-status':
      await (body.status === undefined ? job.updateStatus() : job.updateStatus(body.status))
      return
    default:
      throw new TelestoError(
        'unknown_action',
        `There is no action ${JSON.stringify(action)}. Known: ${ACTIONS.join(', ')}.`,
        { field: 'action' },
      )
  }
}
