import { TelestoError } from '../errors.js'
import { KEYS_VARIABLE, keyIdOf } from '../key-ring.js'
import { insertRecordAudit } from '../store/audit.js'
import { readSchedulers, type SchedulerRow } from '../store/schedulers.js'
import type { By, Office } from './records.js'
import { seal, sealedOf, unseal } from './secrets.js'

export interface Rotated {
  /** Secrets that the first key encrypts now, and another did before. */
  readonly rotated: number
  /** Secrets in all. */
  readonly secrets: number
  /** Those that no key of the ring opens: they stay as they are, until they are set anew. */
  readonly unreadable: readonly { readonly scheduler: string; readonly field: string; readonly key: string }[]
}

/**
 * Encrypts all secrets anew with the first key of the ring, in one transaction; afterwards the others can go, where none is
 * unreadable. Does nothing a second time. Throws `secrets_without_key` where there is no key.
 */
export const rotateKeys = async (
  office: Pick<Office, 'database' | 'keys' | 'committed'>,
  by?: By,
): Promise<Rotated> => {
  const { database, keys } = office
  const [first] = keys.ids
  if (first === undefined) {
    throw new TelestoError(
      'secrets_without_key',
      `There is no key: set ${KEYS_VARIABLE}, the new key before the old ones.`,
    )
  }
  const result = await database.write(async (tx) => {
    const unreadable: { scheduler: string; field: string; key: string }[] = []
    let rotated = 0
    let secrets = 0
    for (const row of await readSchedulers(tx)) {
      const fields: Record<string, string> = {}
      for (const [field, sealed] of Object.entries(sealedOf(row))) {
        secrets++
        const anew = keyIdOf(sealed) === first ? undefined : sealedAnew(keys, row, field, sealed)
        if (anew) fields[field] = anew
        else if (!opens(keys, row, field, sealed)) unreadable.push({ scheduler: row.name, field, key: keyIdOf(sealed) })
      }
      const count = Object.keys(fields).length
      if (count === 0) continue
      rotated += count
      await tx.run('UPDATE telesto_schedulers SET secrets = $1 WHERE id = $2', [
        JSON.stringify({ ...sealedOf(row), ...fields }),
        row.id,
      ])
    }
    if (rotated > 0) {
      const data = { rotated, key: first }
      await insertRecordAudit(tx, await tx.now(), by, 'rotateKeys', { data })
    }
    return { rotated, secrets, unreadable }
  })
  if (result.rotated > 0) office.committed()
  return result
}

const opens = (keys: Office['keys'], row: SchedulerRow, field: string, sealed: string): boolean => {
  try {
    unseal(keys, row.id, field, sealed)
    return true
  } catch {
    return false
  }
}

const sealedAnew = (keys: Office['keys'], row: SchedulerRow, field: string, sealed: string): string | undefined =>
  opens(keys, row, field, sealed) ? seal(keys, row.id, field, unseal(keys, row.id, field, sealed)) : undefined
