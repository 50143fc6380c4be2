import { z } from 'zod'
import type { Adapter } from '../adapter.js'
import { LIMITS, type SchedulerLimits } from '../schedulers/limits.js'
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

/** One field of a record, and the option that sets it. */
export interface Field {
  readonly name: string
  readonly option: string
  readonly of: 'config' | 'limits'
  /** What the schema takes; "json" where it is none of the simple ones. */
  readonly kind: 'text' | 'number' | 'boolean' | 'json'
}

/** The fields of a record of this adapter that are no secrets. */
export const fieldsOf = (adapter: Adapter): readonly Field[] => {
  const own = Object.entries(propertiesOf(adapter)).filter(([name]) => !adapter.secrets.includes(name))
  return [
    ...own.map(([name, schema]): Field => ({ name, option: optionOf(name), of: 'config', kind: kindOf(schema) })),
    ...LIMITS.map((name): Field => {
      const kind = name === 'enabled' ? 'boolean' : 'number'
      return { name, option: kebab(name), of: 'limits', kind }
    }),
  ]
}

const optionOf = (name: string): string => (TAKEN.has(kebab(name)) ? `scheduler-${kebab(name)}` : kebab(name))

interface JsonSchema {
  readonly type?: unknown
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly anyOf?: readonly JsonSchema[]
}

const propertiesOf = (adapter: Adapter): Readonly<Record<string, JsonSchema>> =>
  (z.toJSONSchema(adapter.config, { io: 'input', unrepresentable: 'any' }) as JsonSchema).properties ?? {}

const kindOf = ({ type, anyOf = [] }: JsonSchema): Field['kind'] => {
  const types = [type, ...anyOf.map((one) => one.type)]
  if (types.includes('string')) return 'text'
  if (types.includes('number') || types.includes('integer')) return 'number'
  return types.includes('boolean') ? 'boolean' : 'json'
}

/** What parseArgs is told of these fields. */
export const optionsOf = (fields: readonly Field[]): Record<string, { readonly type: 'string' }> =>
  Object.fromEntries(fields.map(({ option }) => [option, { type: 'string' as const }]))

/** The values that were given, as the fields take them. The schema judges them; here only what is no number or JSON is refused. */
export const valuesOf = (
  fields: readonly Field[],
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

const valueOfOption = ({ option, kind, of }: Field, text: string): unknown => {
  if (kind === 'text') return text
  if (of === 'limits' && text === 'none') return null
  if (kind === 'boolean') {
    if (text === 'true' || text === 'false') return text === 'true'
    throw wrongly(`--${option} must be true or false`)
  }
  if (kind === 'number') {
    const number = text.trim() === '' ? Number.NaN : Number(text)
    if (Number.isFinite(number)) return number
    throw wrongly(`--${option} must be a number${of === 'limits' ? ', or none' : ''}`)
  }
  try {
    return JSON.parse(text)
  } catch {
    throw wrongly(`--${option} must be JSON`)
  }
}

/** For the --help of a command whose options depend on the adapter. */
export const listed = (fields: readonly Field[]): string => fields.map(({ option }) => `--${option}`).join(' ')

/** The name of a field by its option's or its own spelling. */
export const fieldNamed = (adapter: Adapter, text: string): string =>
  [...Object.keys(propertiesOf(adapter))].find(
    (name) => name === text || kebab(name) === text || optionOf(name) === text,
  ) ?? text

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
