import { z } from 'zod'
import type { Adapter } from '../adapter.js'
import { limitsSchema } from './limits.js'

/** One field of a scheduler record that an administrator sets: of its adapter's configuration, or a limit. */
export interface Field {
  readonly name: string
  readonly of: 'config' | 'limits'
  /** What the schema takes; "json" where it is none of the simple ones. */
  readonly kind: 'text' | 'number' | 'boolean' | 'json'
  readonly isSecret: boolean
  /** A limit that can be none. */
  readonly canBeNone: boolean
  /** What the schema tells of it, in a sentence; "" where it tells nothing. */
  readonly description: string
  /** What holds where nothing is given; undefined: nothing does. */
  readonly initial?: unknown
}

interface JsonSchema {
  readonly type?: unknown
  readonly description?: string
  readonly default?: unknown
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly anyOf?: readonly JsonSchema[]
}

const propertiesOf = (schema: z.ZodType): [string, JsonSchema][] =>
  Object.entries((z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema).properties ?? {})

const kindOf = ({ type, anyOf = [] }: JsonSchema): Field['kind'] => {
  const types = [type, ...anyOf.map((one) => one.type)]
  if (types.includes('string')) return 'text'
  if (types.includes('number') || types.includes('integer')) return 'number'
  return types.includes('boolean') ? 'boolean' : 'json'
}

/** The fields of a record of this adapter, its own first. */
export const fieldsOf = (adapter: Adapter): readonly Field[] => {
  const defaults = new Map<string, unknown>(Object.entries({ enabled: true, ...adapter.defaults }))
  const field = (of: Field['of'], name: string, schema: JsonSchema, initial: unknown): Field => ({
    name,
    of,
    kind: kindOf(schema),
    isSecret: of === 'config' && adapter.secrets.includes(name),
    canBeNone: of === 'limits' && (schema.anyOf ?? []).some(({ type }) => type === 'null'),
    description: schema.description ?? '',
    initial,
  })
  return [
    ...propertiesOf(adapter.config).map(([name, schema]) => field('config', name, schema, schema.default)),
    ...propertiesOf(limitsSchema).map(([name, schema]) => field('limits', name, schema, defaults.get(name))),
  ]
}

/** What a person wrote, as the field takes it, or what it must be. The schema judges the value itself. */
export const readField = ({ kind }: Field, text: string): { readonly value: unknown } | { readonly must: string } => {
  if (kind === 'text') return { value: text }
  if (kind === 'boolean')
    return text === 'true' || text === 'false' ? { value: text === 'true' } : { must: 'be true or false' }
  if (kind === 'number') {
    const number = text.trim() === '' ? Number.NaN : Number(text)
    return Number.isFinite(number) ? { value: number } : { must: 'be a number' }
  }
  try {
    return { value: JSON.parse(text) }
  } catch {
    return { must: 'be JSON' }
  }
}
