import { z } from 'zod'
import type { TelestoErrorCode } from '../../errors.js'
import { type ActionName, act, actionBody } from '../act.js'
import { jobParams, none } from '../params.js'
import { readPossible } from '../possible.js'
import { defineRoute, type Route } from '../route.js'
import { jobSchema, toJobJson } from './job-json.js'
import { seenJob } from './jobs.js'

const deletedSchema = z.object({ id: z.int(), deleted: z.literal(true) })

/** A new attempt needs a scheduler, and an adapter that this process has. */
const START: readonly TelestoErrorCode[] = ['action_not_allowed', 'setting_not_assigned', 'unknown_job_type']

const action = (
  name: string,
  path: ActionName,
  summary: string,
  errors: readonly TelestoErrorCode[],
  fields: z.ZodType<z.output<typeof actionBody>> = none,
): Route =>
  defineRoute({
    name,
    method: 'post',
    path: `/api/jobs/:id/${path}`,
    kind: 'api',
    summary,
    who: 'user',
    params: jobParams,
    query: none,
    body: fields,
    output: path === 'delete' ? deletedSchema : jobSchema,
    errors: ['not_found', 'forbidden', ...errors],
    handler: async (context, { params, body: sent }) => {
      const job = await seenJob(context, params.id)
      await act(job, path, sent)
      if (path === 'delete') return { json: { id: job.id, deleted: true } }
      return { json: toJobJson(job, await readPossible(context.core)) }
    },
  })

export const actionRoutes: readonly Route[] = [
  action('executeJob', 'execute', 'Orders a pending job to run; answers it as it is then', START),
  action('stopJob', 'stop', 'Asks for the end of an active job', ['action_not_allowed']),
  action('pauseJob', 'pause', 'Holds a job, where its scheduler can', ['action_not_allowed', 'not_supported']),
  action('resumeJob', 'resume', 'Releases a held job, where its scheduler can', [
    'action_not_allowed',
    'not_supported',
  ]),
  action('resubmitJob', 'resubmit', 'Runs a settled job again, as a new attempt', START),
  action('collectJob', 'collect', 'Collects the results again, where that had failed', ['action_not_allowed']),
  action(
    'deleteJob',
    'delete',
    'Deletes a job with its directories; an active one only with stop',
    ['action_not_allowed', 'job_is_active', 'job_has_children'],
    actionBody.pick({ stop: true }).strict(),
  ),
  action(
    'updateJobStatus',
    'update-status',
    'Sets the status, where it is the app’s to set; without one, asks for an earlier poll',
    [...START, 'status_owned_by_scheduler', 'already_settled'],
    actionBody.pick({ status: true }).strict(),
  ),
]
