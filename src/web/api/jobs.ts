import { z } from 'zod'
import { TelestoError } from '../../errors.js'
import type { Job } from '../../job.js'
import { MAX_ENTRIES } from '../../job-history.js'
import type { StoredPart } from '../../store/history.js'
import { countOf, listOf, listParams } from '../list.js'
import { jobParams, none, whole } from '../params.js'
import { readPossible } from '../possible.js'
import { type Context, defineRoute } from '../route.js'
import { iso, jobSchema, toJobJson } from './job-json.js'

/** The job, if this viewer sees it. Throws `not_found` alike for what is not there and what is not theirs. */
export const seenJob = async (context: Context, id: number): Promise<Job> => {
  const job = await context.viewer.getJob(id)
  if (job?.can('read')) return job
  throw new TelestoError('not_found', `There is no job ${id}.`, { field: 'id' })
}

const listJobs = defineRoute({
  name: 'listJobs',
  method: 'get',
  path: '/api/jobs',
  kind: 'api',
  summary: 'Lists jobs, the newest first',
  who: 'user',
  params: none,
  query: listParams,
  output: z.object({
    jobs: z.array(jobSchema),
    total: z.int().describe('How many there are in all; counting stops at 10,000.'),
    totalCapped: z.boolean().describe('There are more than that.'),
  }),
  handler: async (context, { query }) => {
    const list = listOf(context.viewer, query)
    const jobs = await list.all.slice(list.offset, list.offset + list.limit)
    const possible = await readPossible(context.core)
    const told = jobs.filter((job) => job.can('read')).map((job) => toJobJson(job, possible))
    return { json: { jobs: told, ...(await countOf(list)) } }
  },
})

const getJob = defineRoute({
  name: 'getJob',
  method: 'get',
  path: '/api/jobs/:id',
  kind: 'api',
  summary: 'One job',
  who: 'user',
  params: jobParams,
  query: none,
  output: jobSchema,
  errors: ['not_found'],
  handler: async (context, { params }) => {
    const job = await seenJob(context, params.id)
    return { json: toJobJson(job, await readPossible(context.core)) }
  },
})

const time = z.iso.datetime().nullable()
const partSchema = z.object({
  name: z.string(),
  state: z.string(),
  nativeId: z.string().nullable(),
  nativeState: z.string().nullable(),
  message: z.string().nullable(),
  exitCode: z.int().nullable(),
  startTime: time,
  completionTime: time,
})
const partJson = (part: StoredPart): z.output<typeof partSchema> => ({
  name: part.name,
  state: part.state,
  nativeId: part.nativeId,
  nativeState: part.nativeState,
  message: part.message,
  exitCode: part.exitCode,
  startTime: iso(part.startedAt),
  completionTime: iso(part.endedAt),
})

const historySchema = z.object({
  entries: z.array(
    z
      .object({
        id: z.int(),
        at: z.iso.datetime(),
        kind: z.string(),
        attempt: z.int(),
        by: z.string().describe('The user who asked for it.'),
        action: z.string().describe('What was asked for.'),
        address: z.string().describe('Where from: told to administrators alone.'),
        from: z.string(),
        to: z.string(),
        reason: z.string(),
        cause: z.string(),
        exitCode: z.int(),
        label: z.string(),
        fields: z.array(z.string()).describe('The fields that were changed.'),
      })
      .partial()
      .required({ id: true, at: true, kind: true }),
  ),
  next: z.int().nullable().describe('What to give as after for the entries that follow; null where there are none.'),
  attempts: z.array(
    z.object({
      number: z.int(),
      nativeId: z.string().nullable(),
      status: z.string().nullable(),
      cause: z.string().nullable(),
      reason: z.string().nullable(),
      exitCode: z.int().nullable(),
      executeTime: time,
      startTime: time,
      completionTime: time,
    }),
  ),
  parts: z.array(partSchema),
})

const getHistory = defineRoute({
  name: 'getJobHistory',
  method: 'get',
  path: '/api/jobs/:id/history',
  kind: 'api',
  summary: 'What happened to a job and who asked for it, oldest first; its attempts, and the parts of the current one',
  who: 'user',
  params: jobParams,
  query: z.strictObject({
    after: whole(0, Number.MAX_SAFE_INTEGER).default(0).describe('Only what came after the entry with this id.'),
    limit: whole(1, MAX_ENTRIES).default(200),
  }),
  output: historySchema,
  errors: ['not_found'],
  handler: async (context, { params, query }) => {
    const job = await seenJob(context, params.id)
    const found = await job.history({ after: query.after, limit: query.limit })
    const json = {
      entries: found.map((entry) => ({ ...entry, at: entry.at.toISOString() })),
      next: found.length < query.limit ? null : (found.at(-1)?.id ?? null),
      attempts: (await job.attempts()).map((attempt) => ({
        ...attempt,
        executeTime: iso(attempt.executeTime),
        startTime: iso(attempt.startTime),
        completionTime: iso(attempt.completionTime),
      })),
      parts: (await job.parts()).map(partJson),
    }
    return { json }
  },
})

const getGraph = defineRoute({
  name: 'getJobGraph',
  method: 'get',
  path: '/api/jobs/:id/graph',
  kind: 'api',
  summary: 'The nodes of a job by level, with what each waits for and how it is. No scheduler is asked',
  who: 'user',
  params: jobParams,
  query: none,
  output: z.object({
    nodes: z.array(
      z.object({
        name: z.string(),
        level: z.int().describe('0 where it waits for nothing, else one more than the deepest of its parents.'),
        parents: z.array(z.string()),
        part: partSchema.nullable().describe('How it is in the current attempt; null as long as nobody told.'),
      }),
    ),
  }),
  errors: ['not_found'],
  handler: async (context, { params }) => {
    const job = await seenJob(context, params.id)
    const nodes = (await job.graph()).map(({ name, level, parents, part }) => ({
      name,
      level,
      parents: [...parents],
      part: part && partJson(part),
    }))
    return { json: { nodes } }
  },
})

export const jobRoutes = [listJobs, getJob, getHistory, getGraph]
