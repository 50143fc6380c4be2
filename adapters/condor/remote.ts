import { randomUUID } from 'node:crypto'
import { type ExecResult, SchedulerError, type Transport } from '../../src/adapter.js'
import { notAsked } from './words.js'

/** What a script says of one thing: `title` is the rest of the line that begins it, `text` what follows. */
export interface Section {
  readonly title: string
  readonly text: string
}

/** The answer of a script. */
export interface Told {
  readonly sections: readonly Section[]
  /** The exit code with which it says that it ended. */
  readonly code: number
  readonly stderr: string
}

export interface Question {
  readonly args?: readonly string[]
  readonly stdin?: string | Uint8Array
  readonly signal: AbortSignal
  readonly maxBytes?: number
}

/**
 * Runs scripts of ours where the commands of HTCondor are. A script is a constant; what differs travels as arguments and on its
 * standard input. It is given a word that nobody can guess, and says it before each section of its answer and at the end: so what a login
 * shell prints around the answer, and half an answer, are told from the answer.
 */
export type Remote = (name: string, script: string, question: Question) => Promise<Told>

/** What every script begins with: `say TITLE` begins a section, `over CODE` ends the answer. */
const PRELUDE = `\
mark=$1; shift
LC_ALL=C; export LC_ALL
tab='\t'
say() { printf '%s %s\\n' "$mark" "$*"; }
over() { say "over $1"; exit 0; }
`

export const remoteOn =
  (transport: Transport): Remote =>
  async (name, script, { args = [], stdin, signal, maxBytes }) => {
    const mark = `telesto-${randomUUID()}`
    const result = await transport.exec(['sh', '-c', PRELUDE + script, `telesto-${name}`, mark, ...args], {
      signal,
      ...(stdin === undefined ? {} : { stdin }),
      ...(maxBytes === undefined ? {} : { maxBytes }),
    })
    return toldBy(result, mark, name)
  }

/** Pure. Throws SchedulerError for an answer that has no end, or none at all. */
export const toldBy = ({ stdout, stderr, code }: ExecResult, mark: string, name: string): Told => {
  const words = new TextDecoder().decode(stderr)
  const [, ...pieces] = new TextDecoder().decode(stdout).split(`${mark} `)
  const sections = pieces.map((piece) => {
    const end = piece.indexOf('\n')
    return { title: piece.slice(0, end), text: piece.slice(end + 1) }
  })
  const last = /^over (\d+)$/.exec(sections.at(-1)?.title ?? '')
  if (last) return { sections: sections.slice(0, -1), code: Number(last[1]), stderr: words }
  if (code !== 0) throw notAsked(`The script ${name} did not run to its end (exit code ${code ?? 'none'})`, words)
  const head = new TextDecoder().decode(stdout.subarray(0, 200))
  throw new SchedulerError('protocol', `The answer of the script ${name} cannot be understood: ${JSON.stringify(head)}`)
}

/** The text of the first section with this title; '' where there is none. */
export const sectionOf = ({ sections }: Told, title: string): string =>
  sections.find((section) => section.title === title)?.text ?? ''
