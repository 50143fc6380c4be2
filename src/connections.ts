import type { AdapterContext, Logger, Scheduler, Transport } from './adapter.js'
import { asSchedulerError } from './engine/ask.js'
import { TelestoError } from './errors.js'
import type { Registry } from './registry.js'
import type { SchedulerRow } from './store/schedulers.js'

/** The live connections of this process, at most one for each scheduler record. */
export interface Connections {
  /** The connection of a record; made, without any I/O, if there is none for its present configuration. */
  of(record: SchedulerRow): Scheduler
  /** Closes the connection of a record and forgets it: the next call gets a new one. */
  drop(recordId: number): void
  /** Closes all. */
  close(): Promise<void>
}

interface Live {
  readonly configuration: string
  readonly scheduler: Scheduler
  readonly transport: Transport
}

export const createConnections = (
  registry: Registry,
  log: Logger,
  now: () => Date,
  openTransport: (record: SchedulerRow) => Transport,
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
  return {
    of(record) {
      const configuration = `${record.adapter} ${record.config}`
      const known = live.get(record.id)
      if (known?.configuration === configuration) return known.scheduler
      if (known) drop(record.id)
      const adapter = registry.adapters.get(record.adapter)
      if (!adapter) {
        throw new TelestoError(
          'invalid',
          `The adapter ${record.adapter} of the scheduler ${record.name} was not passed to createTelesto.`,
          {
            field: 'adapters',
          },
        )
      }
      const transport = openTransport(record)
      const context: AdapterContext = { log, now, transport, fetch: globalThis.fetch }
      const scheduler = adapter.connect(adapter.config.parse(JSON.parse(record.config)), context)
      live.set(record.id, { configuration, scheduler, transport })
      return scheduler
    },
    drop,
    async close() {
      const all = [...live.values()]
      live.clear()
      await Promise.all(all.map(close))
    },
  }
}
