// People with the page of a job open: each opens it anew now and then, and has its event stream open in between, as a browser has.

import { Agent, type ClientRequest, get, type IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { answer } from '../child.ts'

export interface Watch {
  readonly port: number
  readonly job: number
  readonly viewers: number
  /** Each of them opens the page anew after so many seconds. */
  readonly everySeconds: number
  readonly seconds: number
  /** Text that each page must hold. */
  readonly holds: string
}
export interface Watched {
  /** From the request of a page to its last byte, in milliseconds. */
  readonly pages: readonly number[]
  /** Messages of all streams. */
  readonly news: number
  readonly newsBytes: number
}

const pages = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY })

const ask = (
  watch: Watch,
  path: string,
  viewer: number,
  agent?: Agent,
): Promise<{ readonly request: ClientRequest; readonly response: IncomingMessage }> =>
  new Promise((resolve, reject) => {
    const headers = { 'x-user': `viewer${viewer}` }
    const request = get({
      host: '127.0.0.1',
      port: watch.port,
      path,
      headers,
      ...(agent ? { agent } : { agent: false }),
    })
    request.on('error', reject)
    request.on('response', (response) => {
      if (response.statusCode === 200) return resolve({ request, response })
      reject(new Error(`${path} was answered ${response.statusCode}.`))
    })
  })

const watchAs = async (watch: Watch, viewer: number, until: number, heard: Heard): Promise<void> => {
  let close = (): void => {}
  await sleep(Math.random() * watch.everySeconds * 1000)
  while (performance.now() < until) {
    const began = performance.now()
    close()
    const { response } = await ask(watch, `/telesto/jobs/${watch.job}`, viewer, pages)
    let html = ''
    for await (const chunk of response.setEncoding('utf8')) html += chunk
    if (began > heard.from) heard.pages.push(performance.now() - began)
    if (!html.includes(watch.holds)) throw new Error(`The page lacks ${watch.holds}.`)
    const events = /hx-sse:connect="([^"]+)"/.exec(html)?.[1]?.replaceAll('&amp;', '&')
    if (events === undefined) throw new Error('The page has no event stream.')
    const stream = await ask(watch, events, viewer)
    stream.request.on('error', () => {}) // it is cut by close()
    stream.response.on('error', () => {})
    stream.response.on('data', (chunk: Buffer) => {
      if (chunk.includes('hx-partial')) heard.news += 1
      heard.newsBytes += chunk.length
    })
    close = () => stream.request.destroy()
    await sleep(Math.min(watch.everySeconds * 1000, Math.max(0, until - performance.now())))
  }
  close()
}

interface Heard {
  readonly from: number
  readonly pages: number[]
  news: number
  newsBytes: number
}

const answers = {
  /** Until all are there, pages are not measured. */
  async watch(watch: Watch): Promise<Watched> {
    const from = performance.now() + watch.everySeconds * 1000
    const heard: Heard = { from, pages: [], news: 0, newsBytes: 0 }
    const until = from + watch.seconds * 1000
    await Promise.all(Array.from({ length: watch.viewers }, (_, viewer) => watchAs(watch, viewer, until, heard)))
    return heard
  },
}
export type Viewers = typeof answers
answer(answers)
