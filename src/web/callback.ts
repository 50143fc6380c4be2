import { z } from 'zod'
import type { Core } from '../core.js'
import { TelestoError } from '../errors.js'
import { MAX_POKE_DELAY_MS } from '../pokes.js'
import { report, reportSchema } from '../reports.js'
import { jobParams, whole } from './params.js'
import { type Answer, type Context, defineRoute, type PlainRequest, type Route } from './route.js'

const MAX_SECONDS = MAX_POKE_DELAY_MS / 1000
const query = z.object({
  delay: whole(0, MAX_SECONDS, `must be whole seconds, 0 to ${MAX_SECONDS}`)
    .default(0)
    .describe('Poll after so many seconds; a poke without it polls at once.'),
})

const poked = z.object({ success: z.literal(true) })
const reported = poked.extend({
  statusApplied: z.boolean().optional().describe('False: the scheduler of this job says what its status is.'),
  nodesApplied: z.int().optional().describe('How many of the nodes are known parts of the job.'),
})

const REPORT_ERRORS = ['report_refused', 'already_settled', 'action_not_allowed'] as const

/** What follows Bearer; undefined where it is none. */
export const bearerToken = (authorization: string | undefined): string | undefined =>
  /^Bearer +([\w~+/.-]+=*) *$/i.exec(authorization ?? '')?.[1]

/** The token of a report; undefined for a poke. What is neither is refused, so that a report never becomes a poke. */
const bearer = (context: Context): string | undefined => {
  const authorization = context.request.header('authorization')
  if (authorization === undefined) return undefined
  const token = bearerToken(authorization)
  if (token !== undefined) return token
  throw new TelestoError(
    'unknown_authorization',
    "Send the token of the job's attempt as Authorization: Bearer, or no Authorization at all for a poke.",
    { field: 'authorization' },
  )
}

const POKED = { json: { success: true } } as const

/** A poke and nothing else: no token, no query, and an id that needs no second look. */
const poke = (core: Core, { params, url, headers }: PlainRequest): Answer | undefined => {
  if (headers.authorization !== undefined || url.includes('?') || !/^[1-9]\d{0,14}$/.test(String(params.id)))
    return undefined
  core.pokes.job(Number(params.id))
  return POKED
}

const callback = (method: 'get' | 'post'): Route =>
  defineRoute({
    name: method === 'post' ? 'reportJob' : 'pokeJob',
    method,
    path: '/update-job-status/:id',
    kind: 'callback',
    summary:
      method === 'post'
        ? 'With the token of its attempt reports a job’s status, message, progress and nodes; without one pokes it'
        : 'Asks for an earlier poll of a job. Answered alike whether the job is there or not',
    who: 'anyone',
    params: jobParams,
    query,
    ...(method === 'post' ? { lateBody: reportSchema } : {}),
    output: method === 'post' ? reported : poked,
    errors: ['unknown_authorization', ...(method === 'post' ? REPORT_ERRORS : (['method_not_allowed'] as const))],
    atOnce: poke,
    handler: async (context, { params, query }) => {
      const token = bearer(context)
      if (token === undefined) {
        context.core.pokes.job(params.id, query.delay * 1000)
        return POKED
      }
      if (method === 'get') {
        return {
          status: 405,
          headers: { allow: 'POST' },
          json: { error: { code: 'method_not_allowed', message: 'A report is sent by POST.' } },
        }
      }
      return {
        json: { success: true, ...(await report(context.core, params.id, token, await context.request.body())) },
      }
    },
  })

export const callbackRoutes: readonly Route[] = [callback('get'), callback('post')]
