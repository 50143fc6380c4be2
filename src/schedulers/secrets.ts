import type { KeyRing } from '../key-ring.js'
import type { SchedulerRow } from '../store/schedulers.js'

/** The encrypted fields of a record, as they are stored. */
export type Sealed = Readonly<Record<string, string>>

/** The place of a secret: what was encrypted for it opens nowhere else. */
const placeOf = (recordId: number, field: string): string => `scheduler ${recordId} ${field}`

export const sealedOf = (row: Pick<SchedulerRow, 'secrets'>): Sealed => JSON.parse(row.secrets)

/** Throws `secrets_without_key`. The value is JSON. */
export const seal = (keys: KeyRing, recordId: number, field: string, value: unknown): string =>
  keys.seal(JSON.stringify(value), placeOf(recordId, field), `config.${field}`)

/** Throws `secret_unreadable`. */
export const unseal = (keys: KeyRing, recordId: number, field: string, sealed: string): unknown =>
  JSON.parse(keys.open(sealed, placeOf(recordId, field)))

/** Why a secret of this record cannot be had, in a sentence; undefined: all can. */
export const unreadableSecret = (
  keys: KeyRing,
  row: Pick<SchedulerRow, 'id' | 'name' | 'secrets'>,
): string | undefined => {
  for (const [field, sealed] of Object.entries(sealedOf(row))) {
    try {
      unseal(keys, row.id, field, sealed)
    } catch (error) {
      const which = `The secret ${field} of the scheduler ${row.name}`
      return `${(error as Error).message.replace('A secret', () => which)} Set it anew, or add the key.`
    }
  }
  return undefined
}

/** The secrets of a record in clear, by field. Throws `secret_unreadable`. They stay in this process. */
export const secretsOf = (
  keys: KeyRing,
  row: Pick<SchedulerRow, 'id' | 'secrets'>,
): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    Object.entries(sealedOf(row)).map(([field, sealed]) => [field, unseal(keys, row.id, field, sealed)]),
  )
