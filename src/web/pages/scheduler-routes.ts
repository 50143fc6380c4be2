import { z } from 'zod'
import type { Adapter } from '../../adapter.js'
import { TelestoError } from '../../errors.js'
import { acceptHostKey, type SchedulerTest, testScheduler } from '../../schedulers/ask.js'
import { createScheduler, removeScheduler, updateScheduler } from '../../schedulers/change.js'
import { listSchedulers, type SchedulerRecord, toRecord } from '../../schedulers/records.js'
import { assignScheduler, listSchedulerSettings } from '../../schedulers/settings.js'
import { readScheduler } from '../../store/schedulers.js'
import { failureOf } from '../errors.js'
import { none, text, whole } from '../params.js'
import { type Answer, type Context, defineRoute } from '../route.js'
import { newSchedulerPage, type SchedulerPage, schedulerPage } from './scheduler.js'
import { changesOf } from './scheduler-values.js'
import { schedulersPage } from './schedulers.js'

const anyQuery = z.object({})
const params = z.object({ id: whole(1, Number.MAX_SAFE_INTEGER, 'must be the id of a scheduler') })
/** A form: whichever fields the adapter has. */
const form = z.record(z.string(), z.string())

const seenRecord = async ({ core }: Context, id: number): Promise<SchedulerRecord> => {
  const row = await readScheduler(core.database, id)
  if (row) return toRecord(core.keys, row)
  throw new TelestoError('not_found', `There is no scheduler ${id}.`, { field: 'id' })
}

const demandAdapter = ({ core }: Context, type: string | undefined): Adapter => {
  const adapter = core.registry.adapters.get(type ?? '')
  if (adapter) return adapter
  const known = [...core.registry.adapters.keys()].join(', ')
  throw new TelestoError('not_found', `There is no adapter ${JSON.stringify(type ?? '')}. There is: ${known}.`, {
    field: 'adapter',
  })
}

const showList = async ({ core, links, user }: Context, alert?: string): Promise<string> =>
  schedulersPage({
    links,
    user,
    records: await listSchedulers(core),
    settings: await listSchedulerSettings(core),
    adapters: [...core.registry.adapters.values()],
    alert,
  })

type Shown = Omit<SchedulerPage, 'links' | 'user' | 'record' | 'adapter'>
const showRecord = async (context: Context, id: number, more: Shown = {}): Promise<string> => {
  const { core, links, user } = context
  const record = await seenRecord(context, id)
  return schedulerPage({ links, user, record, adapter: core.registry.adapters.get(record.adapter), ...more })
}

/** What goes wrong is told on the page where it was asked for. */
const orTell = async (
  context: Context,
  work: () => Promise<Answer>,
  tell: (wrong: { readonly field?: string; readonly message: string }) => Promise<string>,
): Promise<Answer> => {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof TelestoError)) throw error
    const failure = failureOf(error, context.core.log)
    return { status: failure.status, html: await tell(failure) }
  }
}

const list = defineRoute({
  name: 'showSchedulers',
  method: 'get',
  path: '/schedulers',
  kind: 'page',
  summary: 'The schedulers, and which app runs where',
  who: 'admin',
  params: none,
  query: anyQuery,
  handler: async (context) => ({ html: await showList(context) }),
})

const blank = defineRoute({
  name: 'showNewScheduler',
  method: 'get',
  path: '/schedulers/new',
  kind: 'page',
  summary: 'The form of a new scheduler',
  who: 'admin',
  params: none,
  query: z.object({ adapter: text.optional() }),
  handler: (context, { query }) => ({
    html: newSchedulerPage(context, demandAdapter(context, query.adapter), {}),
  }),
})

const create = defineRoute({
  name: 'createSchedulerFromPage',
  method: 'post',
  path: '/schedulers',
  kind: 'page',
  summary: 'Makes a scheduler record',
  who: 'admin',
  params: none,
  query: anyQuery,
  body: form,
  handler: async (context, { body: sent }) => {
    const { core, links, viewer } = context
    const adapter = demandAdapter(context, sent.adapter)
    return await orTell(
      context,
      async () => {
        const wanted = { ...changesOf(adapter, undefined, sent), name: sent.name ?? '', adapter: adapter.type }
        const { id } = await createScheduler(core, wanted, viewer.admin)
        return { location: links.scheduler(id) }
      },
      async (wrong) => newSchedulerPage(context, adapter, { sent, wrong }),
    )
  },
})

const assign = defineRoute({
  name: 'assignSchedulerFromPage',
  method: 'post',
  path: '/schedulers/settings',
  kind: 'page',
  summary: 'Assigns a scheduler to a setting of an app; "" takes it away',
  who: 'admin',
  params: none,
  query: anyQuery,
  body: z.object({ app: z.string(), setting: z.string(), scheduler: z.string() }),
  handler: async (context, { body: { app, setting, scheduler } }) => {
    const { core, links, viewer } = context
    return await orTell(
      context,
      async () => {
        await assignScheduler(core, app, setting, scheduler === '' ? null : scheduler, viewer.admin)
        return { location: links.schedulers }
      },
      async ({ message }) => await showList(context, message),
    )
  },
})

const show = defineRoute({
  name: 'showScheduler',
  method: 'get',
  path: '/schedulers/:id',
  kind: 'page',
  summary: 'The page of a scheduler',
  who: 'admin',
  params,
  query: anyQuery,
  handler: async (context, { params: { id } }) => ({ html: await showRecord(context, id) }),
})

const update = defineRoute({
  name: 'updateSchedulerFromPage',
  method: 'post',
  path: '/schedulers/:id',
  kind: 'page',
  summary: 'Changes a scheduler record',
  who: 'admin',
  params,
  query: anyQuery,
  body: form,
  handler: async (context, { params: { id }, body: sent }) => {
    const { core, viewer } = context
    return await orTell(
      context,
      async () => {
        const record = await seenRecord(context, id)
        const changes = changesOf(demandAdapter(context, record.adapter), record, sent)
        await updateScheduler(core, record.name, changes, viewer.admin)
        return { html: await showRecord(context, id, { done: 'Saved.' }) }
      },
      async (wrong) => await showRecord(context, id, { form: { sent, wrong } }),
    )
  },
})

const ask = (
  name: string,
  action: string,
  summary: string,
  question: (
    context: Context,
    record: SchedulerRecord,
    sent: Readonly<Record<string, string>>,
  ) => Promise<SchedulerTest>,
) =>
  defineRoute({
    name,
    method: 'post',
    path: `/schedulers/:id/${action}`,
    kind: 'page',
    summary,
    who: 'admin',
    params,
    query: anyQuery,
    body: form,
    handler: async (context, { params: { id }, body: sent }) => {
      const record = await seenRecord(context, id)
      return await orTell(
        context,
        async () => {
          const test = await question(context, record, sent)
          return { html: await showRecord(context, id, { test }) }
        },
        async ({ message }) => await showRecord(context, id, { alert: message }),
      )
    },
  })

const test = ask(
  'testSchedulerFromPage',
  'test',
  'Asks a scheduler whether it is well',
  async ({ core }, { name }) => await testScheduler(core, name),
)

const accept = ask(
  'acceptHostKeyFromPage',
  'accept-host-key',
  'Accepts the key of a host, and asks whether all is well then',
  async ({ core, viewer }, { name }, { fingerprint = '' }) => {
    await acceptHostKey(core, name, fingerprint, viewer.admin)
    return await testScheduler(core, name)
  },
)

const remove = defineRoute({
  name: 'removeSchedulerFromPage',
  method: 'post',
  path: '/schedulers/:id/remove',
  kind: 'page',
  summary: 'Removes a scheduler record that has no active jobs, or with abandon gives them up',
  who: 'admin',
  params,
  query: anyQuery,
  body: form,
  handler: async (context, { params: { id }, body: { abandon } }) => {
    const { core, links, viewer } = context
    const { name } = await seenRecord(context, id)
    return await orTell(
      context,
      async () => {
        await removeScheduler(core, name, { abandon: abandon === 'true' }, viewer.admin)
        return { location: links.schedulers }
      },
      async ({ message }) => await showRecord(context, id, { alert: message }),
    )
  },
})

/** What an administrator does with scheduler records, on pages. */
export const schedulerRoutes = [list, blank, create, assign, show, update, test, accept, remove]
