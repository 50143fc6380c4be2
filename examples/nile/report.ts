/**
 * Tells the portal how far this job is.
 *
 * TELESTO_REPORT names a file that the portal wrote for this attempt alone: a curl config file with the address to post
 * to and the header that proves who is speaking. From a shell the same report is one line:
 *
 *   curl --config "$TELESTO_REPORT" --json '{"progress": 0.5, "message": "half way"}'
 *
 * A report is a courtesy. When the portal is away the job goes on, and says so once on stderr; the next report may arrive.
 */
import { readFile } from 'node:fs/promises'

const INTERVAL_MS = 500
const TIMEOUT_MS = 2000

export type Reporter = {
  /** Posts in the background, at most twice a second; what comes sooner is dropped, for news replace each other. */
  progress(share: number, message: string): void
  /** Posts the last word, and waits until it is said or has failed. */
  finish(message: string): Promise<void>
}

type Address = { url: string; authorization: string }

export async function openReporter(configFile = process.env.TELESTO_REPORT): Promise<Reporter> {
  if (configFile === undefined || configFile === '') return { progress() {}, async finish() {} }

  let complained = false
  const complain = (error: unknown) => {
    if (complained) return
    complained = true
    process.stderr.write(`progress is not reported (the work goes on): ${reasonOf(error)}\n`)
  }

  let address: Address
  try {
    address = parseAddress(await readFile(configFile, 'utf8'))
  } catch (error) {
    complain(error)
    return { progress() {}, async finish() {} }
  }

  let lastPost = Number.NEGATIVE_INFINITY
  let underWay: AbortController | undefined

  async function post(share: number, message: string): Promise<void> {
    const cancel = new AbortController()
    underWay = cancel
    lastPost = performance.now()
    try {
      const response = await fetch(address.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: address.authorization },
        body: JSON.stringify({ progress: Math.min(1, Math.max(0, share)), message }),
        signal: AbortSignal.any([cancel.signal, AbortSignal.timeout(TIMEOUT_MS)]),
        redirect: 'error', // the token is for this address and no other
      })
      await response.body?.cancel()
      if (!response.ok) complain(`the portal answered ${response.status}`)
    } catch (error) {
      if (!cancel.signal.aborted) complain(error)
    } finally {
      if (underWay === cancel) underWay = undefined
    }
  }

  return {
    progress(share, message) {
      if (underWay !== undefined || performance.now() - lastPost < INTERVAL_MS) return
      void post(share, message)
    },
    async finish(message) {
      underWay?.abort() // a slow older report must not arrive after the last word
      await post(1, message)
    },
  }
}

function parseAddress(config: string): Address {
  const setting = (pattern: RegExp) => pattern.exec(config)?.[1]?.replace(/\\(.)/g, '$1')
  const url = setting(/^url = "(.*)"$/m)
  const authorization = setting(/^header = "Authorization: (.*)"$/m)
  if (url === undefined || authorization === undefined) {
    throw new Error('the file named by TELESTO_REPORT has no url or no Authorization header')
  }
  return { url, authorization }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  // What fetch throws is "fetch failed"; what one wants to read stands in its cause.
  const cause = error.cause instanceof Error ? error.cause.message : ''
  return (cause || error.message).split('\n', 1).join('')
}
