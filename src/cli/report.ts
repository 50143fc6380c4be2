import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { type Command, failing, wrongly } from './command.js'
import { type ReportAddress, readReportFile } from './report-file.js'

// It runs inside jobs, maybe often: nothing of Telesto's core is loaded, so that it starts quickly.

/** How long the portal is tried, in seconds. */
const DEFAULT_TIMEOUT = 5
const LONGEST_TIMEOUT = 600
const FIRST_PAUSE_MS = 200
const IN_TIME = 'no answer in time'
/** The answers of a portal are short; of anything longer no more is read. */
const MAX_ANSWER = 65_536

const exitCodes = {
  0: 'the portal has taken the report',
  1: 'TELESTO_REPORT is not set, or the file that it names cannot be used',
  2: 'called wrongly',
  3: 'the portal could not be reached',
  4: 'the portal does not know this attempt: the job was deleted or run again',
  5: 'the job has already ended',
  6: 'the report is wrong',
  7: 'the portal takes no more reports for now',
  8: 'the portal failed',
  9: 'what answered is no portal',
} as const

/** `telesto report`: a job tells its portal how far it is. */
export const report: Command = {
  usage: `report [--status <text>] [--message <text>] [--progress <0 to 1>] [--node <name>=<state>]... [--timeout <seconds>] [--json]`,
  summary: `Inside a job: tells the portal about it, at the address in the file that TELESTO_REPORT names. Tries again for ${DEFAULT_TIMEOUT} seconds (--timeout) where the portal is away. Prints nothing, or with --json the answer.`,
  exitCodes,
  async run(args) {
    const { values } = parseArgs({
      args: [...args],
      options: {
        status: { type: 'string' },
        message: { type: 'string' },
        progress: { type: 'string' },
        node: { type: 'string', multiple: true },
        timeout: { type: 'string', default: String(DEFAULT_TIMEOUT) },
        json: { type: 'boolean', default: false },
      },
    })
    const { status, message } = values
    const body = {
      ...(status === undefined ? {} : { status }),
      ...(message === undefined ? {} : { message }),
      ...(values.progress === undefined ? {} : { progress: numberOf('--progress', values.progress, 0, 1) }),
      ...(values.node === undefined ? {} : { nodes: Object.fromEntries(values.node.map(nodeOf)) }),
    }
    const seconds = numberOf('--timeout', values.timeout, 0.001, LONGEST_TIMEOUT)
    if (Object.keys(body).length === 0)
      throw wrongly('Nothing to report: give --status, --message, --progress or --node')
    const address = await readReportFile(process.env.TELESTO_REPORT)
    const answer = judge(await persist(address, JSON.stringify(body), seconds * 1000), seconds)
    return values.json ? JSON.stringify(answer) : ''
  },
}

const numberOf = (option: string, text: string, min: number, max: number): number => {
  const number = text.trim() === '' ? Number.NaN : Number(text)
  if (number >= min && number <= max) return number
  throw wrongly(`${option} must be a number from ${min} to ${max}`)
}
/** The last "=" divides: a state has none, a name may. */
const nodeOf = (text: string): [name: string, state: string] => {
  const at = text.lastIndexOf('=')
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)]
  throw wrongly(`--node takes <name>=<state>, not ${JSON.stringify(text)}`)
}

/** What became of one try. */
type Outcome =
  | { readonly unreachable: string }
  | { readonly status: number; readonly text: string; readonly retryAfterMs?: number }

/** Tries until there is an answer that stands, or `timeoutMs` are over. */
const persist = async (address: ReportAddress, body: string, timeoutMs: number): Promise<Outcome> => {
  const until = performance.now() + timeoutMs
  let before: Outcome | undefined
  for (let tries = 0; ; tries++) {
    const outcome = await post(address, body, Math.max(1, Math.ceil(until - performance.now())))
    // That the time was over says less than what was wrong before.
    if ('unreachable' in outcome && outcome.unreachable === IN_TIME && before) return before
    before = outcome
    const passing = 'unreachable' in outcome || outcome.status >= 500 || outcome.status === 429
    const told = 'retryAfterMs' in outcome ? outcome.retryAfterMs : 0
    // Jobs that fail together should not come back together.
    const pause = Math.max(told ?? 0, FIRST_PAUSE_MS * 2 ** tries * (0.75 + Math.random() / 2))
    if (!passing || performance.now() + pause >= until) return outcome
    await sleep(pause)
  }
}

const post = async ({ url, token }: ReportAddress, body: string, timeoutMs: number): Promise<Outcome> => {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body,
      redirect: 'manual', // The token is for this address and no other.
      signal: AbortSignal.timeout(timeoutMs),
    })
    const retryAfter = Number(response.headers.get('retry-after') ?? Number.NaN)
    // Whatever answered, the token comes no further.
    const text = (await textOf(response)).replaceAll(token, '(the token)')
    return { status: response.status, text, ...(retryAfter >= 0 ? { retryAfterMs: retryAfter * 1000 } : {}) }
  } catch (error) {
    return { unreachable: reasonOf(error) }
  }
}

const textOf = async (response: Response): Promise<string> => {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk)
    size += chunk.length
    if (size > MAX_ANSWER) break
  }
  return Buffer.concat(chunks).toString()
}

/** What fetch throws is "fetch failed"; what one wants to read stands in its cause. */
const reasonOf = (error: unknown): string => {
  if (!(error instanceof Error)) return 'unknown'
  if (error.name === 'TimeoutError') return IN_TIME
  const cause = error.cause instanceof Error ? error.cause : error
  return plain(cause.message || String((cause as NodeJS.ErrnoException).code ?? cause.name))
}
/** One line for a terminal. */
const plain = (text: string): string =>
  text
    .replaceAll(/\p{Cc}+/gu, ' ')
    .trim()
    .slice(0, 500)

/** The answer of a portal that has taken the report. Throws with the sentence and the exit code of everything else. */
const judge = (outcome: Outcome, seconds: number): object => {
  const fail = (exitCode: keyof typeof exitCodes, more: string) => {
    const what = exitCodes[exitCode]
    return failing(exitCode, `${what.charAt(0).toUpperCase()}${what.slice(1)}${more === '' ? '.' : `: ${more}`}`)
  }
  if ('unreachable' in outcome) throw fail(3, `${outcome.unreachable} (tried for ${seconds} s).`)
  const { status, text } = outcome
  const answer = objectOf(text)
  const error = objectOf(answer?.error)
  const message = plain(String(error?.message ?? ''))
  if (status === 200 && answer?.success === true) return answer
  if (status === 403 && error?.code === 'report_refused') throw fail(4, '')
  if (status === 409 && error?.code === 'already_settled') throw fail(5, message)
  if ((status === 400 || status === 413) && error) throw fail(6, message)
  if (status === 429) throw fail(7, message || 'report less often.')
  if (status >= 500) throw fail(8, `${status}${message === '' ? '' : `, ${message}`}`)
  throw fail(
    9,
    `${status} came from the address in the file. The administrator checks the url given to createTelesto().`,
  )
}

const objectOf = (value: unknown): Record<string, unknown> | undefined => {
  if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  if (typeof value !== 'string') return undefined
  try {
    const parsed: unknown = JSON.parse(value)
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}
