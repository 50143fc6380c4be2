import fc from 'fast-check'
import type { JsonSchema } from '../../../src/web/openapi.js'

/** Values that a schema allows. Throws for a schema that it does not understand, so that none is passed over. */
export const allowedBy = (schema: JsonSchema): fc.Arbitrary<unknown> => {
  if (Array.isArray(schema.anyOf)) return fc.oneof(...(schema.anyOf as JsonSchema[]).map(allowedBy))
  if (Array.isArray(schema.enum)) return fc.constantFrom(...(schema.enum as unknown[]))
  const number = (name: string): number | undefined => schema[name] as number | undefined
  switch (schema.type) {
    case 'null':
      return fc.constant(null)
    case 'boolean':
      return fc.boolean()
    case 'integer': {
      const [min, max] = [number('minimum') ?? -1000, number('maximum') ?? 1000]
      return fc.oneof(
        fc.constantFrom(min, max),
        fc.integer({ min, max: Math.min(max, min + 50) }),
        fc.integer({ min, max }),
      )
    }
    case 'number':
      return fc.double({ min: number('minimum') ?? -1e9, max: number('maximum') ?? 1e9, noNaN: true })
    case 'string':
      return textAllowedBy(schema)
    case 'array':
      return fc.array(allowedBy(schema.items as JsonSchema), { maxLength: 4 })
    case 'object':
      return objectAllowedBy(schema)
    default:
      throw new Error(`No arbitrary for ${JSON.stringify(schema)}.`)
  }
}

const textAllowedBy = (schema: JsonSchema): fc.Arbitrary<string> => {
  const time = fc.date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })
  if (schema.format === 'date-time') {
    return fc
      .tuple(time, fc.constantFrom('Z', '+02:00', '-23:59'))
      .map(([at, zone]) => at.toISOString().replace('Z', zone))
  }
  if (schema.format === 'date') return time.map((at) => at.toISOString().slice(0, 10))
  const minLength = (schema.minLength as number | undefined) ?? 0
  const maxLength = Math.min((schema.maxLength as number | undefined) ?? 40, 40)
  // All patterns of texts forbid control characters.
  return fc
    .string({ unit: 'grapheme', minLength, maxLength })
    .map((text) => text.replace(/\p{Cc}/gu, '_'))
    .filter((text) => text.length >= minLength && text.length <= ((schema.maxLength as number | undefined) ?? Infinity))
}

const objectAllowedBy = (schema: JsonSchema): fc.Arbitrary<object> => {
  if (schema.properties === undefined) {
    const names = allowedBy(
      (schema.propertyNames ?? { type: 'string', minLength: 1 }) as JsonSchema,
    ) as fc.Arbitrary<string>
    const values = allowedBy(schema.additionalProperties as JsonSchema)
    return fc.dictionary(
      names.filter((name) => name !== '' && name !== '__proto__'),
      values,
      { maxKeys: 3 },
    )
  }
  const fields = Object.entries(schema.properties as Record<string, JsonSchema>)
  const required = (schema.required ?? []) as readonly string[]
  return fc.record(Object.fromEntries(fields.map(([name, one]) => [name, allowedBy(one)])), {
    requiredKeys: fields.map(([name]) => name).filter((name) => required.includes(name)),
  })
}

const deep = (levels: number): unknown => JSON.parse(`${'{"a":['.repeat(levels)}1${']}'.repeat(levels)}`) as unknown

/** Text as people, programs and attackers send it. */
export const wildText: fc.Arbitrary<string> = fc.oneof(
  { weight: 6, arbitrary: fc.string({ unit: 'binary', maxLength: 60 }).map((text) => text.toWellFormed()) },
  { weight: 2, arbitrary: fc.integer().map(String) },
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      '',
      '0',
      '-1',
      '1e3',
      '00001',
      '9007199254740993',
      'NaN',
      'null',
      'true',
      '[object Object]',
      '__proto__',
      'constructor',
      '\0',
      '%00',
      '%',
      '../../etc/passwd',
      "'; DROP TABLE telesto_jobs; --",
      '<script>alert(1)</script>',
      '\u202e\ufeff\u{1f680}',
      '2026-13-45T99:99:99Z',
      'x'.repeat(3000),
    ),
  },
)

/** JSON of any shape. */
export const wildJson: fc.Arbitrary<unknown> = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.dictionary(
    fc.constantFrom('status', 'stop', 'message', 'progress', 'nodes', '__proto__', 'x'),
    fc.jsonValue({ maxDepth: 2 }),
  ),
  fc.constantFrom(
    deep(10),
    deep(2000),
    { status: '\ud800' },
    { message: '\0' },
    { progress: 1e308 },
    { nodes: { a: null } },
  ),
)
