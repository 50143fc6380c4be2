import { z } from 'zod'
import { act, actionBody } from '../act.js'
import { jobParams, none } from '../params.js'
import { readPossible } from '../possible.js'
import { defineRoute } from '../route.js'
import { jobSchema, toJobJson } from './job-json.js'
import { seenJob } from './jobs.js'

const actOnJob = defineRoute({
  method: 'post',
  path: '/api/jobs/:id/:action',
  kind: 'api',
  summary: 'Asks something of a job: execute, stop, pause, resume, resubmit, collect, delete, update-status',
  who: 'user',
  params: jobParams.extend({ action: z.string() }),
  query: none,
  body: actionBody.strict(),
  output: z.union([jobSchema, z.object({ id: z.int(), deleted: z.literal(true) })]),
  handler: async (context, { params, body }) => {
    const job = await seenJob(context, params.id)
    await act(job, params.action, body)
    if (params.action === 'delete') return { json: { id: job.id, deleted: true } }
    return { json: toJobJson(job, await readPossible(context.core)) }
  },
})

export const actionRoutes = [actOnJob]
