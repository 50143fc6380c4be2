import { visibleTo } from './access.js'
import type { Core } from './core.js'
import { TelestoError } from './errors.js'
import type { Viewer } from './job-picture.js'
import type { Transaction } from './store/database.js'
import type { NewJob } from './store/jobs.js'
import { findJobIds } from './store/list.js'

/** The parents of a new job are jobs of its app that its creator sees. Throws TelestoError `unknown_parent`. */
export const checkParents = async (
  core: Pick<Core, 'access'>,
  viewer: Viewer,
  reader: Pick<Transaction, 'all'>,
  { app, parents }: NewJob,
): Promise<void> => {
  if (parents.length === 0) return
  const where = visibleTo(core.access, viewer, [{ id: parents, app }])
  const page = { order: 'id', descending: false, offset: 0, limit: null } as const
  const found = new Set(where ? await findJobIds(reader, where, page) : [])
  const missing = parents.find((id) => !found.has(id))
  if (missing === undefined) return
  throw new TelestoError('unknown_parent', `There is no job ${missing} in the app ${app} to wait for.`, {
    field: 'parents',
  })
}
