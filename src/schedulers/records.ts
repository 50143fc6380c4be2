import type { Core } from '../core.js'
import { TelestoError } from '../errors.js'
import type { KeyRing } from '../key-ring.js'
import type { Doer } from '../store/audit.js'
import { readSchedulerByName, readSchedulers, type SchedulerRow } from '../store/schedulers.js'
import type { SchedulerLimits } from './limits.js'
import { sealedOf, unreadableSecret } from './secrets.js'

/** What the administration of records needs of Telesto: the command line has this without the rest. */
export type Office = Pick<
  Core,
  'database' | 'registry' | 'keys' | 'machine' | 'connections' | 'questions' | 'clock' | 'log' | 'committed'
>

/** Who administers; nobody for trusted code of the host. */
export type By = Doer | undefined

/** A scheduler record, as its administrator configured it and as the engine last found it. Secrets are never in it. */
export interface SchedulerRecord extends Required<SchedulerLimits> {
  readonly id: number
  readonly name: string
  readonly adapter: string
  /** Its configuration but for the secrets, as the adapter's schema put it out. */
  readonly config: Readonly<Record<string, unknown>>
  /** The names of the secrets that are stored: ['password']. */
  readonly secretsSet: readonly string[]
  /** ok; degraded: could not be asked, asked ever more rarely; blocked: it refused the credentials, or they cannot be decrypted. */
  readonly health: 'ok' | 'degraded' | 'blocked'
  readonly healthMessage: string | null
  readonly healthSince: Date | null
  /** When it last answered a question about its jobs. */
  readonly lastAnsweredAt: Date | null
}

export const toRecord = (keys: KeyRing, row: SchedulerRow): SchedulerRecord => {
  const unreadable = unreadableSecret(keys, row)
  return {
    id: row.id,
    name: row.name,
    adapter: row.adapter,
    config: JSON.parse(row.config),
    secretsSet: Object.keys(sealedOf(row)),
    enabled: row.enabled === 1,
    pollSeconds: row.pollSeconds,
    maxIdsPerPoll: row.maxIdsPerPoll,
    maxPollsPerMinute: row.maxPollsPerMinute,
    maxSubmitsPerMinute: row.maxSubmitsPerMinute,
    maxActiveJobs: row.maxActiveJobs,
    maxActiveJobsPerUser: row.maxActiveJobsPerUser,
    health: unreadable === undefined ? row.health : 'blocked',
    healthMessage: unreadable ?? row.healthMessage,
    healthSince: row.healthSince === null ? null : new Date(row.healthSince),
    lastAnsweredAt: row.lastAnsweredAt === null ? null : new Date(row.lastAnsweredAt),
  }
}

/** All records, by name. */
export const listSchedulers = async (office: Office): Promise<SchedulerRecord[]> =>
  (await readSchedulers(office.database)).map((row) => toRecord(office.keys, row))

/** null where there is none of this name. */
export const getScheduler = async (office: Office, name: string): Promise<SchedulerRecord | null> => {
  const row = await readSchedulerByName(office.database, name)
  return row ? toRecord(office.keys, row) : null
}

/** Throws `scheduler_not_found`, naming `field`. */
export const demandRow = async (
  reader: Parameters<typeof readSchedulerByName>[0],
  name: string,
  field = 'name',
): Promise<SchedulerRow> => {
  const row = await readSchedulerByName(reader, name)
  if (row) return row
  throw new TelestoError('scheduler_not_found', `There is no scheduler ${JSON.stringify(name)}.`, { field })
}
