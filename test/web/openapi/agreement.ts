import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import formats from 'ajv-formats'
import type { OpenApiDocument, Operation } from '../../../src/web/openapi.js'

/** An answer as a client has it. */
export interface Answered {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

/** Tells what of an answer stands not in the document; undefined where all of it does. */
export type Judge = (operation: Operation, answer: Answered) => string | undefined

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
  return (operation, { status, headers, text }) => {
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
}
