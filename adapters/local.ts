import { availableParallelism } from 'node:os'
import { z } from 'zod'
import { defineAdapter } from '../src/adapter.js'
import { connectLocal } from './local/scheduler.js'
import { type BasicSpec, basicSpec } from './local/spec.js'

const has = (spec: unknown, option: 'command' | 'task'): boolean =>
  typeof spec === 'object' && spec !== null && (spec as BasicSpec)[option] !== undefined

/**
 * BASIC jobs on the machine of the server itself: Linux, macOS and other Unix systems with /bin/sh.
 *
 * A job is a process group of its own that outlives the server and is found again after a restart; it runs at most once,
 * whatever crashes. Its id is `<boot>:<pid>:<start time>`, opaque. When its command ends the job has ended, and what the
 * command left in its group is killed.
 *
 * - `cancel` sends TERM, and KILL once `killGraceSeconds` are over: by a timer of this process, by the next `cancel`, or
 *   by the next `status`, whichever comes first.
 * - `hold` and `release` are SIGSTOP and SIGCONT; for a job that has ended they answer `rejected`.
 * - Logs are `stdout` and `stderr`.
 * - A task runs like a command, in a Node process of its own: `run` gets the input, progress is read from a file at each
 *   poll, TERM aborts its signal, what it returns is the job's result.
 * - The job reads where it may report to in the file that `TELESTO_REPORT` names: `curl --config "$TELESTO_REPORT"`.
 */
export const local = defineAdapter({
  type: 'local',
  label: 'This machine',
  config: z.strictObject({
    /** Seconds between TERM and KILL for a cancelled job. */
    killGraceSeconds: z.number().min(0).max(3600).default(5),
  }),
  secrets: [],
  specs: { BASIC: basicSpec },
  defaults: {
    pollSeconds: 0.5,
    maxIdsPerPoll: 1000,
    maxSubmitsPerMinute: 6000,
    maxActiveJobs: availableParallelism(),
  },
  thisMachine: { record: 'local' },
  needsScheduler: (_jobType, spec) => has(spec, 'command') || has(spec, 'task'),
  connect: connectLocal,
})
