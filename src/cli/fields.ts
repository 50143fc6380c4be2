import type { Adapter } from '../adapter.js'
import { type Field, fieldsOf, readField } from '../schedulers/fields.js'
import type { SchedulerLimits } from '../schedulers/limits.js'
import { wrongly } from './command.js'

/** Options of the commands themselves: a field of a configuration that is called so gets the prefix "scheduler-". */
const TAKEN: ReadonlySet<string> = new Set([
  'name',
  'adapter',
  'module',
  'directory',
  'file',
  'database',
  'unset',
  'ask',
  'force',
  'type',
  'json',
  'help',
])

const kebab = (field: string): string => field.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)

/** A field of a record that is no secret, and the option that sets it. */
export interface OptionField extends Field {
  readonly option: string
}

/** The fields of a record of this adapter that are no secrets. */
export const optionFieldsOf = (adapter: Adapter): readonly OptionField[] =>
  fieldsOf(adapter)
    .filter(({ isSecret }) => !isSecret)
    .map((field) => ({ ...field, option: optionOf(field.name) }))

const optionOf = (name: string): string => (TAKEN.has(kebab(name)) ? `scheduler-${kebab(name)}` : kebab(name))

/** What parseArgs is told of these fields. */
export const optionsOf = (fields: readonly OptionField[]): Record<string, { readonly type: 'string' }> =>
  Object.fromEntries(fields.map(({ option }) => [option, { type: 'string' as const }]))

/** The values that were given, as the fields take them. The schema judges them; here only what is no number or JSON is refused. */
export const valuesOf = (
  fields: readonly OptionField[],
  values: Readonly<Record<string, unknown>>,
): { readonly config: Readonly<Record<string, unknown>>; readonly limits: SchedulerLimits } => {
  const given = (of: Field['of']) =>
    Object.fromEntries(
      fields
        .filter((field) => field.of === of && typeof values[field.option] === 'string')
        .map((field) => [field.name, valueOfOption(field, String(values[field.option]))]),
    )
  return { config: given('config'), limits: given('limits') }
}

const valueOfOption = (field: OptionField, text: string): unknown => {
  const { option, of, kind } = field
  if (of === 'limits' && kind === 'number' && text === 'none') return null
  const read = readField(field, text)
  if ('value' in read) return read.value
  throw wrongly(`--${option} must ${read.must}${of === 'limits' && kind === 'number' ? ', or none' : ''}`)
}

/** For the --help of a command whose options depend on the adapter: each with what it sets. */
export const described = (adapter: Adapter): readonly (readonly [option: string, what: string])[] => [
  ...optionFieldsOf(adapter).map(({ option, description, canBeNone, initial }) => {
    const value = initial === undefined || initial === '' ? '' : `By default ${JSON.stringify(initial)}.`
    return [
      `--${option}`,
      [description, canBeNone ? '"none": no limit.' : '', value].filter(Boolean).join(' '),
    ] as const
  }),
  ...adapter.secrets.map((secret) => {
    return [
      `--${secretOption(secret)} <path>`,
      `Or ${secretVariable(secret)} in the environment; else it is asked for.`,
    ] as const
  }),
]

/** The name of a field of the configuration by its option's or its own spelling. */
export const fieldNamed = (adapter: Adapter, text: string): string =>
  fieldsOf(adapter).find(
    ({ name, of }) => of === 'config' && (name === text || kebab(name) === text || optionOf(name) === text),
  )?.name ?? text

/** The options of a secret: of its file, and the variable of the environment. */
export const secretOption = (field: string): string => `${kebab(field)}-file`
export const secretVariable = (field: string): string => `TELESTO_${kebab(field).replaceAll('-', '_').toUpperCase()}`

/** What people type for a secret out of habit. Its value is in the list of processes by then, but comes no further. */
const HABITS = ['password', 'private-key-pass', 'passphrase', 'token', 'secret']

/** Throws where a secret stands among the arguments; without it. */
export const refuseSecrets = (args: readonly string[], secrets: readonly string[]): void => {
  const names = new Set([...secrets.map(kebab), ...HABITS])
  const found =
    args.find((arg) => arg.startsWith('--') && names.has(arg.slice(2).split('=')[0] ?? '')) ??
    args.find((arg) => arg === '-p')
  if (found === undefined) return
  const name = found === '-p' ? 'password' : (found.slice(2).split('=')[0] ?? '')
  const variable = `TELESTO_${name.replaceAll('-', '_').toUpperCase()}`
  throw wrongly(
    `${found === '-p' ? '-p' : `--${name}`} is not taken, because everybody on this machine can read the arguments of a program; ` +
      `use --${name}-file <path>, the environment variable ${variable}, or the prompt of a terminal`,
  )
}
