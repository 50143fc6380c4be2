import { readFileSync } from 'node:fs'
import { type Behaviour, wordOf } from './story.ts'
import type { Run } from './target.ts'

// What a job does, and what it writes of itself into a file of its own outside Telesto's directories: the witness that
// the store is compared with.

/** One line that an attempt wrote. */
interface Line {
  readonly token: string
  /** The process that Telesto knows as the job. */
  readonly wrapper: number
  readonly word: 'start' | 'beat' | 'end'
  /** When, in seconds since 1970; not for a beat. */
  readonly at?: number
  /** Only with "end". */
  readonly exitCode?: number
}

/** The directory that an attempt runs in ends with its number. A line is written every tenth of a second. */
const SCRIPT = `
file=$1
shift "\${PWD##*/}"
beats=\${1%%:*} rest=\${1#*:}
code=\${rest%%:*}
[ "\${rest#*:}" = deaf ] && trap '' TERM
say() { printf '%s %s %s\\n' "$TELESTO_TOKEN" "$PPID" "$1" >>"$file"; }
say "start $(date +%s)"
while [ "$beats" -gt 0 ]; do sleep 0.1; say beat; beats=$((beats - 1)); done
say "end $(date +%s) $code"
exit "$code"
`

/** The command of a job: each line is one write with O_APPEND, so that no two can mix. */
export const commandOf = (file: string, behaviours: readonly Behaviour[]): [string, ...string[]] => [
  '/bin/sh',
  '-c',
  SCRIPT,
  'job',
  file,
  ...behaviours.map(wordOf),
]

/** The lines of a job's file, in the order in which they were written; none where it never ran. */
export const readLines = (file: string): Line[] => {
  let text = ''
  try {
    text = readFileSync(file, 'utf8')
  } catch {
    return []
  }
  return text.split('\n').flatMap((line) => {
    const [token, wrapper, word, at, exitCode] = line.split(' ')
    if (!token || (word !== 'start' && word !== 'beat' && word !== 'end')) return []
    return [
      {
        token,
        wrapper: Number(wrapper),
        word,
        ...(at === undefined ? {} : { at: Number(at) }),
        ...(exitCode === undefined ? {} : { exitCode: Number(exitCode) }),
      },
    ]
  })
}

/** What the lines tell: each start is a run, and goes on until the last line of its token. */
export const runsOf = (lines: readonly Line[]): Run[] => {
  const runs: (Run & { until: number })[] = []
  for (const [number, { token, wrapper, word, at, exitCode }] of lines.entries()) {
    const index = runs.findLastIndex((run) => run.token === token)
    const run = runs[index]
    if (word === 'start' || !run) {
      const procs = [{ ending: 'unknown' as const }]
      const started = at === undefined ? {} : { startedAt: at }
      runs.push({ token, id: String(wrapper), from: number, until: number, ...started, procs, seenEnd: false })
    } else if (word === 'end' && at !== undefined && exitCode !== undefined) {
      const procs = [{ ending: exitCode === 0 ? ('succeeded' as const) : ('failed' as const), exitCode }]
      runs[index] = { ...run, until: number, endedAt: at, procs }
    } else runs[index] = { ...run, until: number }
  }
  return runs
}
