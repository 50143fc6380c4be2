import { inspect } from 'node:util'
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
  ...[0, 1, 2].map((offset) => inBase64(secret, offset)),
]
/** As it stands in base64 behind other bytes, "user:" it may be: without the letters that are not its alone. */
const inBase64 = (secret: string, offset: number): string => {
  const bytes = Buffer.concat([Buffer.alloc(offset), Buffer.from(secret)])
  const first = offset === 0 ? 0 : offset + 1
  return bytes.toString('base64').slice(first, Math.floor((bytes.length * 8) / 6))
}

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
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === Object.prototype || prototype === null)
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, cleaned(one, redact, depth + 1)]))
  // How a logger would look into a map, an address or a socket is not known: only words are left of it.
  return redact(inspect(value))
}

/** In place, so that an error stays of its class. */
const hide = (error: Error, redact: Redact, depth = 0): Error => {
  for (const part of ['message', 'stack'] as const) {
    const text = error[part]
    if (typeof text === 'string' && redact(text) !== text) {
      Object.defineProperty(error, part, { value: redact(text), configurable: true, writable: true })
    }
  }
  // The arguments of a command that could not be run, the errors of an AggregateError: loggers show them too.
  for (const [name, own] of Object.entries(Object.getOwnPropertyDescriptors(error))) {
    if (name === 'message' || name === 'stack' || own.value === undefined || own.value === error) continue
    Object.defineProperty(error, name, { ...own, value: cleaned(own.value, redact, depth + 1) })
  }
  return error
}
