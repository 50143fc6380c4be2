import type { Core } from '../../core.js'
import { type GraphPart, graphOf } from '../../graph.js'
import type { Job } from '../../job.js'
import type { HistoryEntry } from '../../job-history.js'
import type { ResultFile } from '../../results.js'
import type { AttemptHistory, StoredPart } from '../../store/history.js'
import { type Parent, readParents } from '../../store/parents.js'
import type { Links } from '../links.js'
import type { Possible } from '../possible.js'

/** A job may have thousands of parents. */
const SHOWN_PARENTS = 5

/** What is read of a job for its page, beside its row. Its log is read by the page itself: that one question may have to wait. */
export interface JobDetails {
  /** The last entries, oldest first; there may be more before them. */
  readonly history: readonly HistoryEntry[]
  /** The database's time, in milliseconds since 1970. */
  readonly now: number
  readonly attempts: readonly AttemptHistory[]
  readonly parts: readonly StoredPart[]
  /** Its parts as a graph, by level; empty where they are none. */
  readonly graph: readonly GraphPart[]
  /** Some of its parents, those that are not Complete first. */
  readonly parents: readonly Parent[]
  readonly results: readonly ResultFile[]
}

/** All that the page of a job shows. */
export interface JobData extends JobDetails {
  readonly links: Links
  readonly job: Job
  readonly possible: Possible
}

/** The parents whose news concern the page: those that it shows, while the job waits. */
export const watchedParents = ({ job, parents }: Pick<JobData, 'job' | 'parents'>): readonly number[] =>
  job.statusCode === 'PEN' ? parents.map(({ id }) => id) : []

/** So many entries of the history; the API has them all. */
export const MAX_SHOWN = 200

/** What this person, and all who see the same of the job, are shown of it. */
export const readDetails = async (core: Core, job: Job): Promise<JobDetails> => {
  const parts = await job.parts()
  return {
    history: await job.history({ last: true, limit: MAX_SHOWN }),
    now: Date.now() + core.clock.databaseOffset(),
    attempts: await job.attempts(),
    parts,
    graph: graphOf(job.nodes, parts),
    parents: job.parents.length === 0 ? [] : await readParents(core.database, job.id, SHOWN_PARENTS),
    results: await job.results(),
  }
}
