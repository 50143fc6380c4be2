import type { Adapter } from '../adapter.js'
import { ask, asSchedulerError, connect } from '../engine/ask.js'
import { tell } from '../engine/health.js'
import { TelestoError } from '../errors.js'
import { readScheduler, type SchedulerRow } from '../store/schedulers.js'
import type { HostKey } from '../transport/ssh-host-key.js'
import { hostKeyOf as offeredBy } from '../transport/ssh-login.js'
import { updateScheduler } from './change.js'
import { configOf } from './config.js'
import { type By, demandRow, type Office, type SchedulerRecord } from './records.js'
import { unreadableSecret } from './secrets.js'

/** Test and the host key are questions that a person asks a scheduler: they wait so long, and no longer. */
const DEADLINE_MS = 10_000

/** What Test found. */
export interface SchedulerTest {
  readonly health: 'ok' | 'degraded' | 'blocked'
  /** What the scheduler says of its version; null where it says nothing, or was not reached. */
  readonly version: string | null
  /** Why it is not ok; null where it is. */
  readonly message: string | null
  /** The key that its host offered and that is not the accepted one: to be compared, then given to acceptHostKey. */
  readonly hostKey: HostKey | null
}

const adapterHere = (office: Office, row: SchedulerRow): Adapter => {
  const adapter = office.registry.adapters.get(row.adapter)
  if (!adapter) {
    const message = `The adapter ${row.adapter} of the scheduler ${row.name} is not known in this process.`
    throw new TelestoError('not_supported', message, { field: 'adapter' })
  }
  if (row.machine !== null && row.machine !== office.machine) {
    const message = `The scheduler ${row.name} belongs to the machine ${row.machine}, and can be asked only there.`
    throw new TelestoError('not_supported', message, { field: 'name' })
  }
  return adapter
}

/**
 * Asks a scheduler whether it is well, and stores the answer as the record's health; where it is well again its jobs are asked about
 * at once. A secret that this process cannot decrypt is told, and not stored. Who tests the same record at the same time gets the
 * same answer. Resolves within ten seconds, also where the scheduler does not answer. Throws `scheduler_not_found`; `not_supported`; `scheduler_unavailable` while too many other questions are open.
 */
export const testScheduler = async (office: Office, name: string): Promise<SchedulerTest> => {
  const row = await demandRow(office.database, name)
  adapterHere(office, row)
  // Nothing is stored: it is this process that lacks the key, others may have it.
  const unreadable = unreadableSecret(office.keys, row)
  if (unreadable !== undefined) return { health: 'blocked', version: null, message: unreadable, hostKey: null }
  const key = `test ${JSON.stringify([row.id, row.config, row.secrets])}`
  return await office.questions.ask(row.id, key, async () => {
    const found = await ping(office, row)
    await keepHealth(office, row, found)
    return found
  })
}

const ping = async (office: Office, row: SchedulerRow): Promise<SchedulerTest> => {
  try {
    const scheduler = connect(office.connections, row)
    const method = scheduler.ping?.bind(scheduler)
    if (!method) {
      throw new TelestoError('not_supported', `The adapter ${row.adapter} has no test.`, { field: 'adapter' })
    }
    const answer = await ask(office.clock, async (signal) => await method(signal), { deadlineMs: DEADLINE_MS })
    const { version } = answer ?? {}
    return {
      health: 'ok',
      version: typeof version === 'string' ? version.slice(0, 255) : null,
      message: null,
      hostKey: null,
    }
  } catch (error) {
    if (error instanceof TelestoError) throw error
    office.connections.drop(row.id)
    const known = asSchedulerError(error)
    const health = known.code === 'auth' ? 'blocked' : 'degraded'
    return { health, version: null, message: known.message.slice(0, 2048), hostKey: offeredIn(error) }
  }
}

/** By shape: a transport tells the key that it was offered in the error of the one it was not. */
const offeredIn = (error: unknown): HostKey | null => {
  const { fingerprint, keyType } = (error ?? {}) as { readonly fingerprint?: unknown; readonly keyType?: unknown }
  return typeof fingerprint === 'string' && typeof keyType === 'string' ? { fingerprint, keyType } : null
}

const keepHealth = async (office: Office, asked: SchedulerRow, found: SchedulerTest): Promise<void> => {
  const { database } = office
  if (found.health === 'ok' && asked.health === 'ok') return
  const changed = await database.write(async (tx) => {
    const row = await readScheduler(tx, asked.id)
    // Edited or removed meanwhile: the answer is about something else.
    if (!row || row.config !== asked.config || row.secrets !== asked.secrets) return false
    if (row.health === found.health && row.healthMessage === found.message) return false
    const now = await tx.now()
    const again =
      found.health === 'ok' ? ', poll_failures = 0, orders_failures = 0, next_poll_at = 0, next_orders_at = 0' : ''
    await tx.run(
      `UPDATE telesto_schedulers SET health = $1, health_message = $2,
         health_since = CASE WHEN health = $1 THEN health_since ELSE $3 END${again} WHERE id = $4`,
      [found.health, found.message, now, row.id],
    )
    if (row.health !== found.health) await tell(tx, row, now, found.health, found.message)
    return true
  })
  if (changed) office.committed()
}

/**
 * The key that the record's host offers now, accepted or not: to be compared with what the host itself shows (ssh-keygen -l).
 * Throws `scheduler_not_found`; `not_supported` for a record that is not behind SSH; `scheduler_unavailable`.
 */
export const hostKeyOf = async (office: Office, name: string): Promise<HostKey> => {
  const row = await demandRow(office.database, name)
  const adapter = adapterHere(office, row)
  try {
    const target = adapter.ssh?.(configOf(adapter, office.keys, row).config)
    if (!target) throw notBehindSsh(row)
    const key = `host key ${JSON.stringify([row.id, row.config])}`
    return await office.questions.ask(
      row.id,
      key,
      async () =>
        await ask(office.clock, async (signal) => await offeredBy(target, { signal }), { deadlineMs: DEADLINE_MS }),
    )
  } catch (error) {
    if (error instanceof TelestoError) throw error
    const { message } = asSchedulerError(error)
    throw new TelestoError('scheduler_unavailable', `The host of ${row.name} told no key: ${message}`, { cause: error })
  }
}

const notBehindSsh = (row: SchedulerRow): TelestoError =>
  new TelestoError('not_supported', `The scheduler ${row.name} is not behind SSH: there is no host key.`, {
    field: 'name',
  })

/**
 * Accepts a host key, "SHA256:…": from now on nothing connects to a host that offers another. Throws `scheduler_not_found`,
 * `not_supported`, `invalid`.
 */
export const acceptHostKey = async (
  office: Office,
  name: string,
  fingerprint: string,
  by?: By,
): Promise<SchedulerRecord> => {
  const row = await demandRow(office.database, name)
  if (!adapterHere(office, row).ssh) throw notBehindSsh(row)
  return await updateScheduler(office, name, { config: { hostKey: fingerprint } }, by, 'acceptHostKey')
}
