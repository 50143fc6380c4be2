import { type Adapter, SchedulerError } from '../adapter.js'
import { TelestoError } from '../errors.js'
import type { KeyRing } from '../key-ring.js'
import { check, toJson } from '../options.js'
import { redactor } from '../redact.js'
import type { SchedulerRow } from '../store/schedulers.js'
import { SSH_PLACE } from '../transport/ssh-target.js'
import { type Sealed, sealedOf, secretsOf, unreadableSecret, unseal } from './secrets.js'

/** The fields of a record's configuration, in clear. */
type Fields = Readonly<Record<string, unknown>>

/** A configuration as it is to be stored. */
export interface CheckedConfig {
  /** What is no secret, as JSON. */
  readonly open: string
  /** Secrets that were given anew, in clear. */
  readonly fresh: Fields
  /** Secrets that stay as they are stored. */
  readonly kept: Sealed
}

/**
 * What is given laid over what is stored, field by field, and checked by the adapter's schema. undefined leaves a field as it is,
 * and so does '' a secret; null removes it. Throws `unknown_field` and `invalid` that name the field, without its value.
 */
export const checkConfig = (
  adapter: Adapter,
  keys: KeyRing,
  stored: Pick<SchedulerRow, 'id' | 'config' | 'secrets'> | undefined,
  given: unknown,
): CheckedConfig => {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new TelestoError('invalid', 'config must be an object of fields.', { field: 'config' })
  }
  const isSecret = (field: string): boolean => adapter.secrets.includes(field)
  const changes = Object.entries(given).filter(
    ([field, value]) => value !== undefined && !(value === '' && isSecret(field)),
  )
  refuseUnknown(adapter, changes)
  const sealed = stored ? sealedOf(stored) : {}
  const kept = Object.fromEntries(Object.entries(sealed).filter(([field]) => !changes.some(([one]) => one === field)))
  const fields = new Map(
    Object.entries({ ...(stored ? JSON.parse(stored.config) : {}), ...readable(keys, stored, kept) }),
  )
  for (const [field, value] of changes) value === null ? fields.delete(field) : fields.set(field, value)
  if (adapter.ssh && stored && moved(fields, stored) && !changes.some(([field]) => field === 'hostKey')) {
    fields.delete('hostKey') // It was accepted for another host.
  }
  const whole = Object.fromEntries(fields)
  const output = checked(adapter, whole)
  const open = Object.entries(output).filter(([field]) => !isSecret(field))
  const fresh = changes.flatMap(([field, value]) =>
    value === null || !isSecret(field) ? [] : [[field, output[field]]],
  )
  return { open: toJson(Object.fromEntries(open), 'config'), fresh: Object.fromEntries(fresh), kept }
}

/** A secret that cannot be decrypted is as good as none: it can be set anew. */
const readable = (keys: KeyRing, stored: Pick<SchedulerRow, 'id'> | undefined, kept: Sealed): Fields =>
  Object.fromEntries(
    Object.entries(kept).flatMap(([field, text]) => {
      try {
        return stored ? [[field, unseal(keys, stored.id, field, text)]] : []
      } catch {
        return []
      }
    }),
  )

const refuseUnknown = (adapter: Adapter, changes: readonly (readonly [string, unknown])[]): void => {
  const shape = (adapter.config as { readonly shape?: object }).shape
  const unknown = shape && changes.find(([field]) => !Object.hasOwn(shape, field))
  if (!unknown) return
  throw new TelestoError(
    'unknown_field',
    `There is no field ${JSON.stringify(unknown[0])} in the configuration of ${adapter.type}. There is: ${Object.keys(shape).join(', ')}.`,
    { field: `config.${unknown[0]}` },
  )
}

const checked = (adapter: Adapter, whole: Fields): Fields => {
  const redact = redactor(Object.fromEntries(adapter.secrets.map((field) => [field, whole[field]])))
  try {
    return check(adapter.config, whole, 'config') as Fields
  } catch (error) {
    if (!(error instanceof TelestoError) || !redact) throw error
    throw new TelestoError(error.code, redact(error.message), error.field === undefined ? {} : { field: error.field })
  }
}

const fieldOf = (config: string, field: string): unknown => (JSON.parse(config) as Fields)[field]
const moved = (fields: ReadonlyMap<string, unknown>, stored: Pick<SchedulerRow, 'config'>): boolean =>
  (['host', 'port'] as const).some((field) => fields.get(field) !== fieldOf(stored.config, field))

/** The first field in which two configurations of an adapter mean another scheduler, or another place on it. */
export const movedField = (adapter: Adapter, before: string, after: string): string | undefined => {
  const fields = [...(adapter.ssh ? SSH_PLACE : []), ...(adapter.identity ?? [])]
  const value = (config: string, field: string): string => JSON.stringify(fieldOf(config, field)) ?? ''
  return fields.find((field) => value(before, field) !== value(after, field))
}

/**
 * What an adapter is connected with, and its secrets by themselves, in clear: neither ever leaves this process. Throws
 * SchedulerError `auth` where a secret cannot be decrypted.
 */
export const configOf = (
  adapter: Adapter,
  keys: KeyRing,
  row: Pick<SchedulerRow, 'id' | 'name' | 'config' | 'secrets'>,
): { readonly config: unknown; readonly secrets: Fields } => {
  const unreadable = unreadableSecret(keys, row)
  if (unreadable !== undefined) throw new SchedulerError('auth', unreadable)
  const secrets = secretsOf(keys, row)
  return { config: adapter.config.parse({ ...JSON.parse(row.config), ...secrets }), secrets }
}
