import { z } from 'zod'
import { TelestoError } from '../errors.js'
import { MAX_POKE_DELAY_MS } from '../pokes.js'
import { report, reportSchema } from '../reports.js'
import { jobParams } from './params.js'
import { type Context, defineRoute, type Route } from './route.js'

const MAX_SECONDS = MAX_POKE_DELAY_MS / 1000
const delayMessage = `must be whole seconds, 0 to ${MAX_SECONDS}`
const query = z.object({
  delay: z
    .string(delayMessage)
    .regex(/^\d{1,4}$/, delayMessage)
    .transform(Number)
    .refine((seconds) => seconds <= MAX_SECONDS, delayMessage)
    .default(0),
})

const output = z.object({
  success: z.literal(true),
  statusApplied: z.boolean().optional(),
  nodesApplied: z.number().optional(),
})

/** The token of a report; undefined for a poke. What is neither is refused, so that a report never becomes a poke. */
const bearer = (context: Context): string | undefined => {
  const authorization = context.request.header('authorization')
  if (authorization === undefined) return undefined
  const token = /^Bearer +([\w~+/.-]+=*) *$/i.exec(authorization)?.[1]
  if (token !== undefined) return token
  throw new TelestoError(
    'unknown_authorization',
    "Send the token of the job's attempt as Authorization: Bearer, or no Authorization at all for a poke.",
    { field: 'authorization' },
  )
}

const callback = (method: 'get' | 'post'): Route =>
  defineRoute({
    method,
    path: '/update-job-status/:id',
    kind: 'callback',
    summary: 'Pokes a job; with the token of its attempt (POST) reports its status, message, progress and nodes',
    who: 'anyone',
    params: jobParams,
    query,
    ...(method === 'post' ? { lateBody: reportSchema } : {}),
    output,
    handler: async (context, { params, query }) => {
      const token = bearer(context)
      if (token === undefined) {
        context.core.pokes.job(params.id, query.delay * 1000)
        return { json: { success: true } }
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
