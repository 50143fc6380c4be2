import { z } from 'zod'
import { MAX_LOG_WINDOW } from '../../logs.js'
import { jobParams, none } from '../params.js'
import { defineRoute } from '../route.js'
import { seenJob } from './jobs.js'

const logSchema = z.object({
  name: z.string(),
  /** The part of the job that wrote it, where it has parts. */
  part: z.string().nullable(),
  /** Bytes so far. */
  size: z.number(),
})

const listLogs = defineRoute({
  method: 'get',
  path: '/api/jobs/:id/logs',
  kind: 'api',
  summary: 'The logs of a job; none where its scheduler has none',
  who: 'user',
  params: jobParams,
  query: none,
  output: z.object({ logs: z.array(logSchema) }),
  handler: async (context, { params }) => {
    const job = await seenJob(context, params.id)
    const logs = (await job.logs()).map(({ name, part, size }) => ({ name, part: part ?? null, size }))
    return { json: { logs } }
  },
})

const offset = z
  .string('must be a byte offset of 0 or more')
  .regex(/^\d{1,16}$/, 'must be a byte offset of 0 or more')
  .transform(Number)
  .refine(Number.isSafeInteger, 'must be a byte offset of 0 or more')
const windowSize = z
  .string(`must be 1 to ${MAX_LOG_WINDOW}`)
  .regex(/^\d{1,6}$/, `must be 1 to ${MAX_LOG_WINDOW}`)
  .transform(Number)
  .refine((bytes) => bytes >= 1 && bytes <= MAX_LOG_WINDOW, `must be 1 to ${MAX_LOG_WINDOW}`)

/**
 * A window of a log is answered as its own bytes, text/plain, whatever they are: a window may end within a character, so a
 * reader decodes the windows as one stream. X-Telesto-Next is the offset to ask for next; X-Telesto-End is "true" when
 * nothing more will come. Past the end a window is empty.
 */
const readLog = defineRoute({
  method: 'get',
  path: '/api/jobs/:id/logs/window',
  kind: 'api',
  summary: 'A window of a log, as bytes',
  who: 'user',
  params: jobParams,
  query: z.strictObject({
    name: z.string(),
    part: z.string().optional(),
    from: offset.default(0),
    maxBytes: windowSize.default(MAX_LOG_WINDOW),
  }),
  handler: async (context, { params, query }) => {
    const job = await seenJob(context, params.id)
    const log = { name: query.name, ...(query.part === undefined ? {} : { part: query.part }) }
    const window = await job.readLog(log, query.from, query.maxBytes)
    return {
      bytes: window.bytes,
      type: 'text/plain; charset=utf-8',
      headers: { 'x-telesto-next': String(window.next), 'x-telesto-end': String(window.end) },
    }
  },
})

export const logRoutes = [listLogs, readLog]
