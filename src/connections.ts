import { type AdapterContext, type Logger, type Scheduler, SchedulerError, type Transport } from './adapter.js'
import { asSchedulerError } from './engine/ask.js'
import { TelestoError } from './errors.js'
import type { KeyRing } from './key-ring.js'
import { redactedLog, redactedScheduler, redactor } from './redact.js'
import type { Registry } from './registry.js'
import { configOf } from './schedulers/config.js'
import type { SchedulerRow } from './store/schedulers.js'
import type { SshTarget } from './transport/ssh-target.js'

/** The live connections of this process, at most one for each scheduler record. */
export interface Connections {
  /**
   * The connection of a record; made, without any I/O, if there is none for its present configuration and secrets. Throws
   * SchedulerError `auth` where a secret cannot be decrypted, and TelestoError `invalid` where this process lacks its adapter.
   */
  of(record: SchedulerRow): Scheduler
  /** Where attempts get their directories on the record's host; undefined: it is this machine, where they have theirs. */
  directoryOf(record: SchedulerRow): string | undefined
  /** Whether its scheduler offers an operation, without asking it; false where it cannot be had just now. */
  supports(record: SchedulerRow, method: keyof Scheduler): boolean
  /** Closes the connection of a record and forgets it: the next call gets a new one. */
  drop(recordId: number): void
  /** Closes all. */
  close(): Promise<void>
}

interface Live {
  readonly configuration: string
  readonly scheduler: Scheduler
  readonly transport: Transport
  readonly directory: string | undefined
}

/** `openTransport`: where the commands of a record run, undefined being this machine. No I/O. */
export const createConnections = (
  registry: Registry,
  keys: KeyRing,
  log: Logger,
  now: () => Date,
  openTransport: (target: SshTarget | undefined, log: Logger) => Transport,
): Connections => {
  const live = new Map<number, Live>()
  const close = async ({ scheduler, transport }: Live): Promise<void> => {
    for (const [what, one] of Object.entries({ scheduler, transport })) {
      try {
        await one.close()
      } catch (error) {
        log.warn({ error: asSchedulerError(error).message }, `closing a ${what} failed`)
      }
    }
  }
  const drop = (recordId: number): void => {
    const one = live.get(recordId)
    if (!one) return
    live.delete(recordId)
    void close(one)
  }
  const open = (record: SchedulerRow, configuration: string): Live => {
    const adapter = registry.adapters.get(record.adapter)
    if (!adapter) {
      const message = `The adapter ${record.adapter} of the scheduler ${record.name} was not passed to createTelesto.`
      throw new TelestoError('invalid', message, { field: 'adapters' })
    }
    const { config, secrets } = configOf(adapter, keys, record)
    const redact = redactor(secrets)
    const silent = redact ? redactedLog(log, redact) : log
    try {
      const target = adapter.ssh?.(config)
      const transport = openTransport(target, silent)
      const context: AdapterContext = { log: silent, now, transport, fetch: globalThis.fetch }
      const scheduler = adapter.connect(config, context)
      return {
        configuration,
        scheduler: redact ? redactedScheduler(scheduler, redact) : scheduler,
        transport,
        directory: target?.directory,
      }
    } catch (error) {
      const known = asSchedulerError(error)
      throw redact ? new SchedulerError(known.code, redact(known.message)) : error
    }
  }
  const liveOf = (record: SchedulerRow): Live => {
    const configuration = JSON.stringify([record.adapter, record.config, record.secrets])
    const known = live.get(record.id)
    if (known?.configuration === configuration) return known
    if (known) drop(record.id)
    const opened = open(record, configuration)
    live.set(record.id, opened)
    return opened
  }
  return {
    of: (record) => liveOf(record).scheduler,
    directoryOf: (record) => liveOf(record).directory,
    supports(record, method) {
      if (!registry.adapters.has(record.adapter)) return false
      try {
        return typeof liveOf(record).scheduler[method] === 'function'
      } catch {
        return false // Its health tells why.
      }
    },
    drop,
    async close() {
      const all = [...live.values()]
      live.clear()
      await Promise.all(all.map(close))
    },
  }
}
