import { readFileSync } from 'node:fs'

// What a job does, and what it writes of itself into a file of its own outside Telesto's directories: the witness that
// the store is compared with.

/** How one attempt of a job behaves. */
export interface Behaviour {
  /** It writes a line every tenth of a second, so often; then it ends. */
  readonly beats: number
  readonly exitCode: number
  /** It ignores TERM, and must be killed. */
  readonly deaf: boolean
}

/** One line that an attempt wrote. */
export interface Line {
  readonly token: string
  /** The process that Telesto knows as the job. */
  readonly wrapper: number
  readonly word: 'start' | 'beat' | 'end'
  /** When, in seconds since 1970; not for a beat. */
  readonly at?: number
  /** Only with "end". */
  readonly exitCode?: number
}

/** A job has behaviours for so many attempts; the directory that an attempt runs in ends with its number. */
export const MAX_ATTEMPTS = 8

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
  ...behaviours.map(({ beats, exitCode, deaf }) => `${beats}:${exitCode}:${deaf ? 'deaf' : 'hears'}`),
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
