import { z } from 'zod'
import { TelestoError } from '../errors.js'
import type { Job } from '../job.js'
import { FIELDS } from '../options.js'
import { BUTTONS } from './possible.js'

/** What can be asked of a job by its path. */
export const ACTIONS = [...BUTTONS, 'update-status'] as const
export type ActionName = (typeof ACTIONS)[number]

/** The body of an action, as JSON or as a form: `stop` is for delete, `status` for update-status. */
export const actionBody = z.object({
  stop: z
    .union([z.boolean(), z.enum(['true', 'false']).transform((text) => text === 'true')])
    .optional()
    .describe('Stop it first, if it is active.'),
  status: FIELDS.name
    .optional()
    .describe('A display name, a code, or a text of your own. Absent, an earlier poll is asked for.'),
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
