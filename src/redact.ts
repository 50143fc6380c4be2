import type { Logger, Scheduler } from './adapter.js'

/** Shorter texts are words that stand in every message by themselves. */
const SHORTEST = 4
const HIDDEN = '(secret)'

/** Takes secrets out of a text, in the forms in which messages hold them. */
export type Redact = (text: string) => string

/** undefined: there is nothing to take out. */
export const redactor = (secrets: unknown): Redact | undefined => {
  const texts = [...new Set(textsIn(secrets).flatMap(forms))].filter((text) => text.length >= SHORTEST)
  if (texts.length === 0) return undefined
  const longestFirst = texts.toSorted((a, b) => b.length - a.length)
  return (text) => longestFirst.reduce((rest, secret) => rest.replaceAll(secret, HIDDEN), text)
}

const textsIn = (value: unknown): string[] => {
  if (typeof value === 'string') return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsIn) : []
}
const forms = (secret: string): string[] => [
  secret,
  JSON.stringify(secret).slice(1, -1),
  encodeURIComponent(secret.toWellFormed()),
  Buffer.from(secret).toString('base64'),
]

/** The same logger, to which nothing of the secrets comes. */
export const redactedLog = (log: Logger, redact: Redact): Logger => {
  const at =
    (level: keyof Logger) =>
    (fields: object, message?: string): void =>
      log[level](cleaned(fields, redact) as object, message === undefined ? undefined : redact(message))
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

/** The same scheduler; what it throws, or answers as an error, tells nothing of the secrets. */
export const redactedScheduler = (scheduler: Scheduler, redact: Redact): Scheduler =>
  new Proxy(scheduler, {
    get(target, name) {
      const method: unknown = Reflect.get(target, name, target)
      if (typeof method !== 'function') return method
      return async (...args: unknown[]): Promise<unknown> => {
        try {
          const answer: unknown = await Reflect.apply(method, target, args)
          if (answer instanceof Map) for (const one of answer.values()) if (one instanceof Error) hide(one, redact)
          return answer
        } catch (error) {
          throw cleaned(error, redact)
        }
      }
    },
  })

/** What lies deeper than this is left out: it may lead back to where it began. */
const DEPTH = 8

const cleaned = (value: unknown, redact: Redact, depth = 0): unknown => {
  if (typeof value === 'string') return redact(value)
  if (depth > DEPTH) return undefined
  if (value instanceof Error) return hide(value, redact, depth)
  if (Array.isArray(value)) return value.map((one) => cleaned(one, redact, depth + 1))
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Uint8Array) return cleaned(Buffer.from(value).toString(), redact)
  if (Object.getPrototypeOf(value) !== Object.prototype) return value
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, cleaned(one, redact, depth + 1)]))
}

/** In place, so that an error stays of its class. */
const hide = (error: Error, redact: Redact, depth = 0): Error => {
  for (const part of ['message', 'stack'] as const) {
    const text = error[part]
    if (typeof text === 'string' && redact(text) !== text) {
      Object.defineProperty(error, part, { value: redact(text), configurable: true, writable: true })
    }
  }
  if (error.cause !== undefined && error.cause !== error) {
    const value = cleaned(error.cause, redact, depth + 1)
    Object.defineProperty(error, 'cause', { value, configurable: true, writable: true })
  }
  return error
}
