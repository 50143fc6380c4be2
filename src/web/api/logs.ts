import { z } from 'zod'
import { MAX_LOG_WINDOW } from '../../logs.js'
import { jobParams, none, text, whole } from '../params.js'
import { defineRoute } from '../route.js'
import { seenJob } from './jobs.js'

const logSchema = z.object({
  name: z.string(),
  part: z.string().nullable().describe('The part of the job that wrote it, where it has parts.'),
  size: z.number().describe('Bytes so far.'),
})

const listLogs = defineRoute({
  name: 'listJobLogs',
  method: 'get',
  path: '/api/jobs/:id/logs',
  kind: 'api',
  summary: 'The logs of a job; none where its scheduler has none',
  who: 'user',
  params: jobParams,
  query: none,
  output: z.object({ logs: z.array(logSchema) }),
  errors: ['not_found', 'scheduler_unavailable'],
  handler: async (context, { params }) => {
    const job = await seenJob(context, params.id)
    const logs = (await job.logs()).map(({ name, part, size }) => ({ name, part: part ?? null, size }))
    return { json: { logs } }
  },
})

const offset = whole(0, Number.MAX_SAFE_INTEGER, 'must be a byte offset of 0 or more')
const windowSize = whole(1, MAX_LOG_WINDOW, `must be 1 to ${MAX_LOG_WINDOW}`)

/**
 * A window of a log is answered as its own bytes, text/plain, whatever they are: a window may end within a character, so a
 * reader decodes the windows as one stream. X-Telesto-Next is the offset to ask for next; X-Telesto-End is "true" when
 * nothing more will come. Past the end a window is empty.
 */
const readLog = defineRoute({
  name: 'readJobLog',
  method: 'get',
  path: '/api/jobs/:id/logs/window',
  kind: 'api',
  summary: 'A window of a log, as its own bytes: windows join to the whole, and one may end within a character',
  who: 'user',
  params: jobParams,
  query: z.strictObject({
    name: text,
    part: text.optional(),
    from: offset.default(0).describe('The first byte.'),
    maxBytes: windowSize.default(MAX_LOG_WINDOW),
  }),
  content: {
    types: ['text/plain'],
    headers: {
      'X-Telesto-Next': 'The offset to ask for next.',
      'X-Telesto-End': '"true" when nothing more will come.',
    },
  },
  errors: ['not_found', 'scheduler_unavailable'],
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
