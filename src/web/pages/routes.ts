import { z } from 'zod'
import type { User } from '../../access.js'
import { TelestoError } from '../../errors.js'
import { MAX_LOG_WINDOW } from '../../logs.js'
import { lastEventId } from '../../store/events.js'
import { act, actionBody } from '../act.js'
import { seenJob } from '../api/jobs.js'
import { failureOf } from '../errors.js'
import { countOf, listOf, looseListParams } from '../list.js'
import { jobParams, none } from '../params.js'
import { readPossible } from '../possible.js'
import { parseQuery } from '../query-string.js'
import { type Answer, type Context, defineRoute } from '../route.js'
import { answerPartial } from './act-news.js'
import { doneMessage } from './actions.js'
import { jobPage } from './job.js'
import { jobsPage } from './jobs.js'
import { ListLinks } from './list-links.js'
import { type LogPage, logPage } from './log-viewer.js'
import { shownJob } from './shown-job.js'

const anyQuery = z.object({})

const home = defineRoute({
  name: 'showHome',
  method: 'get',
  path: '/',
  kind: 'page',
  summary: 'Leads to the jobs',
  who: 'anyone',
  params: none,
  query: anyQuery,
  handler: ({ links }) => ({ status: 302, location: links.jobs }),
})

/** The page of jobs for the query of an address. The number of statements does not depend on how many jobs there are. */
const showJobs = async (context: Context, search: string, alert?: string): Promise<string> => {
  const { core, links, viewer } = context
  const list = new ListLinks(links.jobs, search)
  const params = looseListParams.parse(queryOf(list.params))
  const asked = listOf(viewer, params)
  const since = await lastEventId(core.database)
  const jobs = (await asked.all.slice(asked.offset, asked.offset + asked.limit)).filter((job) => job.can('read'))
  return jobsPage({
    links,
    user: viewer.user,
    search,
    jobs,
    possible: await readPossible(core),
    offset: asked.offset,
    limit: asked.limit,
    order: asked.order,
    ...(await countOf(asked)),
    apps: [...core.apps.keys()].sort(),
    customStatuses: [...core.customStatuses.keys()],
    since,
    alert,
  })
}

const showJob = async (context: Context, id: number, alert?: string): Promise<string> => {
  const { core, links, viewer } = context
  const moment = await context.moments.now()
  const job = await seenJob(context, id)
  const shown = await shownJob(core, links, viewer.user, job, moment)
  return jobPage({ links, user: viewer.user }, job, shown, alert)
}

const jobs = defineRoute({
  name: 'showJobs',
  method: 'get',
  path: '/jobs',
  kind: 'page',
  summary: 'The table of jobs',
  who: 'user',
  params: none,
  query: looseListParams,
  handler: async (context) => ({ html: await showJobs(context, searchOf(context.request.url)) }),
})

const job = defineRoute({
  name: 'showJob',
  method: 'get',
  path: '/jobs/:id',
  kind: 'page',
  summary: 'The page of a job',
  who: 'user',
  params: jobParams,
  query: anyQuery,
  handler: async (context, { params }) => ({ html: await showJob(context, params.id) }),
})

/**
 * A button of a page. Without script the browser is sent back to the page it came from, or shown that page with what went
 * wrong; with script it gets the pieces that changed.
 */
const action = defineRoute({
  name: 'actFromPage',
  method: 'post',
  path: '/jobs/:id/:action',
  kind: 'page',
  summary: 'What the buttons of the pages ask for',
  who: 'user',
  params: jobParams.extend({ action: z.string() }),
  query: anyQuery,
  body: actionBody,
  handler: async (context, { params, body }): Promise<Answer> => {
    const { links } = context
    const byScript = context.request.header('hx-request') === 'true'
    const from = cameFrom(context, byScript ? 'hx-current-url' : 'referer')
    const job = await seenJob(context, params.id)
    try {
      await act(job, params.action, body)
    } catch (error) {
      if (!(error instanceof TelestoError)) throw error
      const { status, message } = failureOf(error, context.core.log)
      if (byScript) return { status, html: await answerPartial(context, params.id, from.list, message, 'error') }
      const html = from.list
        ? await showJobs(context, from.search, message)
        : await showJob(context, params.id, message)
      return { status, html }
    }
    const deleted = params.action === 'delete'
    if (byScript && deleted && !from.list) {
      return { html: '', headers: { 'hx-redirect': links.jobs } }
    }
    if (byScript) {
      return { html: await answerPartial(context, params.id, from.list, doneMessage(job.id, params.action), 'done') }
    }
    return {
      location: from.list ? new ListLinks(links.jobs, from.search).self : deleted ? links.jobs : links.job(job.id),
    }
  },
})

/** Which of our pages the button was on. Only the query is taken over, and of it only the parameters of a list. */
const cameFrom = (context: Context, header: string): { readonly list: boolean; readonly search: string } => {
  const address = context.request.header(header) ?? ''
  const url = URL.canParse(address) ? new URL(address) : undefined
  return { list: url !== undefined && /\/jobs\/?$/.test(url.pathname), search: url?.search ?? '' }
}

const log = defineRoute({
  name: 'showLog',
  method: 'get',
  path: '/jobs/:id/logs',
  kind: 'page',
  summary: 'A window of a log, as a page',
  who: 'user',
  params: jobParams,
  query: z.object({
    name: z.string().optional(),
    part: z.string().optional(),
    from: z
      .string()
      .regex(/^\d{1,15}$/, 'must be a byte offset of 0 or more')
      .transform(Number)
      .optional(),
  }),
  handler: async (context, { params, query }) => {
    const job = await seenJob(context, params.id)
    const page: LogPage = { links: context.links, user: context.viewer.user as User, job, logs: [] }
    try {
      const logs = await job.logs()
      const shown = logs.find((one) => one.name === query.name && one.part === query.part) ?? logs[0]
      if (!shown) return { html: logPage(page, MAX_LOG_WINDOW) }
      const from = query.from ?? Math.max(0, shown.size - MAX_LOG_WINDOW)
      const { bytes, next } = await job.readLog(shown, from)
      const text = new TextDecoder().decode(bytes)
      return { html: logPage({ ...page, logs, shown: { log: shown, from, next, text } }, MAX_LOG_WINDOW) }
    } catch (error) {
      if (!(error instanceof TelestoError) || error.code !== 'scheduler_unavailable') throw error
      return { status: error.status, html: logPage({ ...page, trouble: error.message }, MAX_LOG_WINDOW) }
    }
  },
})

const searchOf = (url: string): string => url.split('?')[1] ?? ''
const queryOf = (params: URLSearchParams): Readonly<Record<string, unknown>> => parseQuery(`?${params}`)

export const pageRoutes = [home, jobs, job, log, action]
