import type { Adapter } from '../../adapter.js'
import { TelestoError } from '../../errors.js'
import { type Field, fieldsOf, readField } from '../../schedulers/fields.js'
import type { SchedulerLimits } from '../../schedulers/limits.js'
import type { SchedulerRecord } from '../../schedulers/records.js'

/** The texts of a form, by the names of its inputs. */
export type Sent = Readonly<Record<string, string>>

/** The name of a field's input: what an error about it names. */
export const inputOf = ({ of, name }: Field): string => (of === 'config' ? `config.${name}` : name)
/** Ticked, it takes away a secret that is stored. */
export const removalOf = (field: Field): string => `remove.${inputOf(field)}`

const written = (value: unknown): string => {
  if (value === undefined || value === null) return ''
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

/** What the input of a field shows of a record, or of one that is to be made. A secret is never shown. */
export const shownOf = (field: Field, record: SchedulerRecord | undefined): string => {
  if (field.isSecret) return ''
  if (record === undefined) return written(field.initial)
  const values = field.of === 'config' ? record.config : { ...record }
  return written(new Map<string, unknown>(Object.entries(values)).get(field.name))
}

/**
 * What a form asks for: only fields that differ from what it showed, so that what another did meanwhile stays. Emptied, a field
 * is removed, and a limit is none. Throws `invalid` that names the input.
 */
export const changesOf = (
  adapter: Adapter,
  record: SchedulerRecord | undefined,
  sent: Sent,
): SchedulerLimits & { readonly config: Readonly<Record<string, unknown>> } => {
  const values = (of: Field['of']) =>
    Object.fromEntries(
      fieldsOf(adapter)
        .filter((field) => field.of === of)
        .flatMap((field): [string, unknown][] => {
          if (field.isSecret && sent[removalOf(field)] === 'true') return [[field.name, null]]
          const text = sent[inputOf(field)]
          const same = record !== undefined && text === shownOf(field, record)
          if (text === undefined || same || (text === '' && (field.isSecret || record === undefined))) return []
          if (text === '') return [[field.name, null]]
          const read = readField(field, text)
          if ('value' in read) return [[field.name, read.value]]
          throw new TelestoError('invalid', `${labelOf(field)} must ${read.must}.`, { field: inputOf(field) })
        }),
    )
  return { ...values('limits'), config: values('config') }
}

/** "privateKeyPath" is "Private key path". */
export const labelOf = ({ name }: Field): string => {
  const words = name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
  return words.slice(0, 1).toUpperCase() + words.slice(1)
}
