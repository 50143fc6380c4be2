import { open } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import type { Sink } from './live/sink.js'
import type { Answer, RouteKind } from './route.js'

/** Nothing but the pages' own script, style and images; nobody else may frame them. */
export const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "form-action 'self'",
  "frame-ancestors 'self'",
  "base-uri 'none'",
].join('; ')
const NOTHING_POLICY = "default-src 'none'; frame-ancestors 'none'"

const ALL = { 'x-content-type-options': 'nosniff', 'referrer-policy': 'same-origin' }
const OWN = { 'cache-control': 'no-store', 'cross-origin-resource-policy': 'same-origin' }
const NOTHING = { ...ALL, 'content-security-policy': NOTHING_POLICY }
const HEADERS: Readonly<Record<RouteKind, readonly (readonly [name: string, value: string])[]>> = {
  page: Object.entries({ ...ALL, ...OWN, 'content-security-policy': PAGE_POLICY, vary: 'HX-Request' }),
  api: Object.entries({ ...NOTHING, ...OWN }),
  callback: Object.entries({ ...NOTHING, ...OWN }),
  asset: Object.entries(NOTHING),
}

/** Writes an answer; where that lasts, it is awaited. With node alone, so that it is the same under Express 4 and 5. */
export const send = (
  req: IncomingMessage,
  res: ServerResponse,
  kind: RouteKind,
  answer: Answer,
): Promise<void> | undefined => {
  for (const [name, value] of HEADERS[kind]) res.setHeader(name, value)
  if (answer.headers) for (const [name, value] of Object.entries(answer.headers)) res.setHeader(name, value)
  res.statusCode = answer.status ?? 200
  const end = (type: string, body: string | Uint8Array): void => {
    res.setHeader('content-type', type)
    if (res.statusCode !== 304) res.setHeader('content-length', Buffer.byteLength(body))
    res.end(req.method === 'HEAD' ? undefined : body)
  }
  if ('json' in answer) end('application/json; charset=utf-8', JSON.stringify(answer.json))
  else if ('html' in answer) end('text/html; charset=utf-8', answer.html)
  else if ('bytes' in answer) end(answer.type, answer.bytes)
  else if ('file' in answer) return sendFile(req, res, answer.file, answer.type)
  else if ('stream' in answer) return sendStream(req, res, answer.stream)
  else {
    res.statusCode = answer.status ?? 303
    res.setHeader('location', answer.location)
    res.end()
  }
  return undefined
}

/** As many bytes as the file had when it was opened: a job may still be writing to it. */
const sendFile = async (req: IncomingMessage, res: ServerResponse, file: string, type: string): Promise<void> => {
  const handle = await open(file, 'r')
  try {
    const { size } = await handle.stat()
    res.setHeader('content-type', type)
    res.setHeader('content-length', size)
    if (req.method === 'HEAD' || size === 0) res.end()
    else await pipeline(handle.createReadStream({ end: size - 1, autoClose: false }), res)
  } catch (error) {
    // Half of a file has left: only a broken connection tells the client.
    if (!res.headersSent) throw error
    res.destroy()
  } finally {
    await handle.close()
  }
}

const sendStream = async (
  req: IncomingMessage,
  res: ServerResponse,
  stream: (sink: Sink) => Promise<void>,
): Promise<void> => {
  const gone = new AbortController()
  res.on('close', () => gone.abort())
  res.setHeader('content-type', 'text/event-stream; charset=utf-8')
  res.setHeader('cache-control', 'no-store, no-transform')
  res.setHeader('x-accel-buffering', 'no')
  if (req.method === 'HEAD') return void res.end()
  // The headers leave with what is written first.
  await stream({
    write: (chunk) => void res.write(chunk),
    get waiting() {
      return res.writableLength
    },
    end: () => void res.end(),
    drop: () => void res.destroy(),
    gone: gone.signal,
  })
}
