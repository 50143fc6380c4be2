import { z } from 'zod'
import { seenJob } from '../api/jobs.js'
import { listOf, looseListParams } from '../list.js'
import { jobId, none } from '../params.js'
import { defineRoute } from '../route.js'
import { jobView } from './job-view.js'
import { jobsView } from './jobs-view.js'

const of = looseListParams.out.extend({
  job: jobId.optional().describe('The page of this job; absent, the page of a list with the parameters of a list.'),
  ids: z
    .string()
    .max(12_000)
    .default('')
    .meta({ pattern: '^(\\d{1,15}(-\\d{1,15})?(,\\d{1,15}(-\\d{1,15})?)*)?$' })
    .describe('The rows that the list shows: 1-20,25; on the page of a job, the parents that it shows.'),
  since: z
    .string()
    .optional()
    .describe('The newest event that the page knows. The header Last-Event-ID goes before it.'),
})

/** One stream for each open page. */
export const eventsRoute = defineRoute({
  name: 'followEvents',
  method: 'get',
  path: '/events',
  kind: 'api',
  summary: 'The event stream of a page: HTML for htmx, as it changes',
  who: 'user',
  params: none,
  query: of,
  content: { types: ['text/event-stream'] },
  errors: ['not_found'],
  handler: async (context, { query }) => {
    const { user } = context.viewer
    const { job, ids, since, ...params } = query
    // What the list would refuse is refused now, and not when there is news.
    if (job === undefined) listOf(context.viewer, params)
    const view =
      job === undefined
        ? jobsView(context.links, context.request.url.split('?')[1] ?? '', params, ids)
        : jobView(context.links, await seenJob(context, job), ids)
    context.live.admit(user)
    const known = context.request.header('last-event-id') ?? since
    return {
      stream: async (sink) => await context.live.open(sink, { user, identify: context.identify, view }, known),
    }
  },
})
