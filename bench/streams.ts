import { once } from 'node:events'
import { Agent, get, type IncomingMessage } from 'node:http'

/** Event streams of open pages, each of its own user. */
export interface Streams {
  close(): void
}

/** Opens `count` streams of the page that shows the jobs `ids`; `heard` is told what the first one hears. */
export const openStreams = async (
  port: number,
  count: number,
  ids: string,
  heard: (text: string) => void = () => {},
): Promise<Streams> => {
  const agent = new Agent({ keepAlive: false, maxSockets: Number.POSITIVE_INFINITY })
  const open = async (index: number): Promise<IncomingMessage> => {
    const request = get({
      host: '127.0.0.1',
      port,
      path: `/telesto/events?ids=${ids}`,
      headers: { 'x-user': `viewer${index}` },
      agent,
    })
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    if (response.statusCode !== 200) throw new Error(`A stream was answered ${response.statusCode}.`)
    response.setEncoding('utf8').on('error', () => {}) // it is cut by close()
    response.on('data', (text: string) => {
      if (index === 0) heard(text)
    })
    return response
  }
  const responses: IncomingMessage[] = []
  // Not all at once: a server's queue of new connections is short.
  for (let first = 0; first < count; first += 50) {
    const some = Array.from({ length: Math.min(50, count - first) }, (_, index) => open(first + index))
    responses.push(...(await Promise.all(some)))
  }
  return {
    close: () => {
      for (const response of responses) response.destroy()
      agent.destroy()
    },
  }
}
