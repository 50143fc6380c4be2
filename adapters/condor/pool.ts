import { SchedulerError } from '../../src/adapter.js'
import { type Remote, sectionOf } from './remote.js'
import { notAsked } from './words.js'

/** What the adapter needs there beside HTCondor's commands, each with what has it. */
const PROGRAMS = [
  'condor_submit',
  'condor_q',
  'condor_history',
  'condor_rm',
  'flock',
  'setsid',
  'tar',
  'find',
  'sed',
  'awk',
  'readlink',
]

/** Arguments: programs that must be there. Sections: `missing` with those that are not, `version`, `queue`, `slots`. */
const SCRIPT = `\
missing=
for program in "$@"; do command -v "$program" >/dev/null || missing="$missing $program"; done
say missing
printf '%s\\n' "$missing"
[ -z "$missing" ] || over 0
say version
condor_version || over $?
say queue
condor_q -totals || over $?
say slots
condor_status -total 2>&1
over 0
`

interface Pool {
  readonly version: string
  /** "3 jobs; 1 idle, 2 running" as condor_q says it of this account. */
  readonly queue: string
  /** Slots in all and unclaimed ones, where the collector tells. */
  readonly slots?: string
}

/** Throws SchedulerError where HTCondor does not answer, or where something is missing there. */
export const lookAtPool = async (remote: Remote, signal: AbortSignal): Promise<Pool> => {
  const told = await remote('pool', SCRIPT, { args: PROGRAMS, signal })
  const missing = sectionOf(told, 'missing').trim()
  if (missing !== '')
    throw new SchedulerError(
      'unavailable',
      `There is no ${missing.split(/\s+/).join(', no ')} in the PATH of a command there. Install it, or set the PATH for commands without a terminal.`,
    )
  if (told.code !== 0) throw notAsked('HTCondor', told.stderr)
  const version = /\$CondorVersion: (\S+)/.exec(sectionOf(told, 'version'))?.[1]
  if (version === undefined) throw new SchedulerError('protocol', 'condor_version tells no version.')
  const queue = /^Total for query: (.*)$/m.exec(sectionOf(told, 'queue'))?.[1]?.trim() ?? ''
  const total = /^\s*Total\s+(\d+)\s+\d+\s+\d+\s+(\d+)/m.exec(sectionOf(told, 'slots'))
  return { version, queue, ...(total ? { slots: `${total[1]}, ${total[2]} of them unclaimed` } : {}) }
}
