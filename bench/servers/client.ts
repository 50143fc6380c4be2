// Sends requests over connections that it keeps open, and spends little on each, so that the server is what is measured.

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { answer } from '../child.ts'

export interface Load {
  readonly port: number
  readonly connections: number
  /** So many requests over each connection. */
  readonly each: number
  /** What each connection sends, again and again in this order: it takes the requests in turns. */
  readonly requests: readonly Request[]
}
export interface Request {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly token?: string
  readonly body?: string
}

const toText = ({ method, path, token, body = '' }: Request): string => {
  const lines = [`${method} ${path} HTTP/1.1`, 'Host: 127.0.0.1']
  if (token !== undefined) lines.push(`Authorization: Bearer ${token}`)
  if (body !== '') lines.push('Content-Type: application/json', `Content-Length: ${Buffer.byteLength(body)}`)
  return `${lines.join('\r\n')}\r\n\r\n${body}`
}

/** How long the answer is whose head stands in `text`; undefined while that is not complete. Throws where it is no success. */
const lengthOf = (text: string): number | undefined => {
  const end = text.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  if (!text.startsWith('HTTP/1.1 200 ')) throw new Error(`The server answered: ${text}`)
  const length = /\r\ncontent-length: (\d+)\r\n/i.exec(text.slice(0, end + 2))?.[1]
  if (length === undefined) throw new Error(`The answer has no length: ${text}`)
  return end + 4 + Number(length)
}

const talk = (socket: Socket, texts: readonly string[], each: number): Promise<void> =>
  new Promise((resolve, reject) => {
    let sent = 0
    let received = ''
    const next = (): void => {
      if (sent === each) {
        socket.destroy()
        resolve()
      } else socket.write(texts[sent++ % texts.length] as string)
    }
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1')
      try {
        const length = lengthOf(received)
        if (length === undefined || received.length < length) return
        received = received.slice(length)
        next()
      } catch (error) {
        socket.destroy()
        reject(error as Error)
      }
    })
    socket.on('error', reject)
    socket.on('close', () => reject(new Error('The server closed a connection.')))
    next()
  })

const answers = {
  /** Answers how many milliseconds it took. */
  async send({ port, connections, each, requests }: Load): Promise<number> {
    const sockets = Array.from({ length: connections }, () => connect(port, '127.0.0.1').setNoDelay())
    await Promise.all(sockets.map(async (socket) => await once(socket, 'connect')))
    const texts = requests.map(toText)
    const began = performance.now()
    await Promise.all(
      sockets.map(async (socket, index) => {
        // Each begins elsewhere; of as many requests as connections, each sends its own.
        const own =
          texts.length === connections ? [texts[index] as string] : [...texts.slice(index), ...texts.slice(0, index)]
        await talk(socket, own, each)
      }),
    )
    return performance.now() - began
  },
}
export type Client = typeof answers
answer(answers)
