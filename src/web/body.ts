import type { IncomingMessage } from 'node:http'
import { TelestoError } from '../errors.js'

/** The largest body of a request, in bytes. */
export const MAX_BODY = 65_536

const tooLarge = () => new TelestoError('body_too_large', `The body has more than ${MAX_BODY} bytes.`)
const broken = (message: string, cause?: unknown) => new TelestoError('body_invalid', message, { cause })

/**
 * The object in a request's body: JSON, or the fields of a form; {} where there is none. Throws TelestoError `body_too_large`
 * or `body_invalid`. A body that the host has parsed already is taken as it is.
 */
export const readBody = async (req: IncomingMessage & { readonly body?: unknown }): Promise<object> => {
  if (Number(req.headers['content-length'] ?? 0) > MAX_BODY) {
    req.resume()
    throw tooLarge()
  }
  // Whoever left while something else was waited for sends nothing more, not even an end.
  if (req.destroyed && !req.readableEnded) throw broken('The body ended early.')
  const body = req.readableEnded ? req.body : await receive(req)
  if (body === undefined || body === null) return {}
  const parsed = typeof body === 'string' || Buffer.isBuffer(body) ? parse(body, req.headers['content-type']) : body
  if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return parsed
  throw broken('The body must be a JSON object.')
}

const receive = async (req: IncomingMessage): Promise<Buffer> =>
  await new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    req.on('data', (chunk: Buffer) => {
      size += chunk.length
      // The rest is read and dropped, so that the client hears the answer.
      if (size > MAX_BODY) reject(tooLarge())
      else chunks.push(chunk)
    })
    req.on('end', () => resolve(Buffer.concat(chunks)))
    req.on('error', reject)
    req.on('close', () => {
      if (!req.readableEnded) reject(broken('The body ended early.'))
    })
  })

const parse = (body: string | Buffer, type: string | undefined): unknown => {
  let text: string
  try {
    text = typeof body === 'string' ? body : new TextDecoder('utf-8', { fatal: true }).decode(body)
  } catch (error) {
    throw broken('The body is not UTF-8.', error)
  }
  if (text.trim() === '') return {}
  if (type?.startsWith('application/x-www-form-urlencoded')) return Object.fromEntries(new URLSearchParams(text))
  try {
    return JSON.parse(text)
  } catch (error) {
    throw broken('The body is not JSON.', error)
  }
}
