import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import formats from 'ajv-formats'
import type { OpenApiDocument, Operation } from '../../../src/web/openapi.js'

/** An answer as a client has it. */
export interface Answered {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

export interface Judge {
  /** What of an answer stands not in the document; undefined where all of it does. */
  answer(operation: Operation, answer: Answered): string | undefined
  /** What of a body of JSON the document does not allow; undefined where it allows it. */
  body(operation: Operation, text: string): string | undefined
}

const NO_FIELDS = { type: 'object', additionalProperties: false }

export const judgeOf = (document: OpenApiDocument): Judge => {
  const ajv = new Ajv2020({ strict: false, allErrors: false })
  formats.default(ajv)
  ajv.addSchema({ $id: 'document', ...document })
  const compiled = new Map<object, ValidateFunction>()
  const validator = (schema: object): ValidateFunction => {
    const absolute = JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"document#/')) as object
    const known = compiled.get(schema) ?? ajv.compile(absolute)
    compiled.set(schema, known)
    return known
  }
  const answer: Judge['answer'] = (operation, { status, headers, text }) => {
    const told = operation.responses[String(status)]
    if (!told) return `${status} is not documented: ${text.slice(0, 300)}`
    for (const [name, header] of Object.entries(told.headers ?? {})) {
      if ('required' in header && header.required === true && !headers.has(name)) return `${status} has no ${name}`
    }
    const type = headers.get('content-type')?.split(';')[0] ?? ''
    if (told.content === undefined) return text === '' ? undefined : `${status} has a body`
    const media = told.content[type]
    if (!media)
      return `${status} is ${type || 'without a type'}, documented are ${Object.keys(told.content).join(', ')}`
    if (type !== 'application/json') return undefined
    let json: unknown
    try {
      json = JSON.parse(text)
    } catch {
      return `${status} is no JSON: ${text.slice(0, 300)}`
    }
    const validate = validator(media.schema ?? {})
    return validate(json) ? undefined : `${status} ${ajv.errorsText(validate.errors)}: ${text.slice(0, 600)}`
  }
  const body: Judge['body'] = (operation, text) => {
    const validate = validator(operation.requestBody?.content['application/json']?.schema ?? NO_FIELDS)
    return validate(JSON.parse(text)) ? undefined : ajv.errorsText(validate.errors)
  }
  return { answer, body }
}
