import { type Condition, condition, type JobFilter } from './filters.js'
import type { Database } from './store/database.js'

/** A person, as the host's `identify(req)` tells. */
export interface User {
  readonly id: string
  /** Shown on pages. Absent: the id. */
  readonly name?: string
  readonly groups?: readonly string[]
  readonly isAdmin?: boolean
}

/** Who looks at jobs, and from where, where that is known; undefined is trusted code of the host. */
export type Viewer = { readonly user: User; readonly address?: string } | undefined

/** What a person can ask of a job. */
export type Action =
  | 'read'
  | 'edit'
  | 'execute'
  | 'stop'
  | 'pause'
  | 'resume'
  | 'resubmit'
  | 'collect'
  | 'delete'
  | 'updateStatus'

/** What `may` is told of a job. */
export interface JobOwnership {
  readonly id: number
  readonly app: string
  readonly user: string
  readonly groups: readonly string[]
}

/**
 * Who may see and do what. `visible` bounds `may`: what a user does not see does not exist for them.
 * Both are asked on every read and every action of `telesto.as(user)`, `req.telesto` and the pages.
 */
export interface Access {
  /** A filter for every list, count, event and bulk action; null: nothing at all. */
  visible(user: User): JobFilter | null
  may(user: User, action: Action, job: JobOwnership): boolean
}

/** The filters, bounded by what this viewer sees; null: nothing at all. */
export const visibleTo = (
  { access, database }: { readonly access: Access; readonly database: Pick<Database, 'dialect'> },
  viewer: Viewer,
  filters: readonly JobFilter[],
  excluded: readonly JobFilter[] = [],
): Condition | null => {
  const visible = viewer ? access.visible(viewer.user) : {}
  return visible === null ? null : condition(database.dialect, [...filters, visible], excluded)
}

/** Owner, member of one of the job's groups, admin. */
export const defaultAccess: Access = {
  visible: (user) => {
    if (user.isAdmin === true) return {}
    const groups = user.groups ?? []
    return groups.length === 0 ? { user: user.id } : { or: [{ user: user.id }, { groups }] }
  },
  may: (user, _action, job) =>
    user.isAdmin === true || job.user === user.id || (user.groups ?? []).some((group) => job.groups.includes(group)),
}
