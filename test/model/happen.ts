import type { Happening } from './commands.ts'
import type { ModelJob } from './model.ts'
import type { Run } from './run.ts'
import { isAlive, type WorldJob } from './world.ts'

/** What becomes of a job on its scheduler, by itself. */
export const happen = (run: Run, job: ModelJob, what: Happening): void => {
  const own = run.world.jobsOf(job.id)
  const one = own.findLast(isAlive) ?? own.at(-1)
  if (one) befall(run, one, what)
}

const befall = (run: Run, one: WorldJob, what: Happening): void => {
  const { world } = run
  if (what === 'be remembered') Object.assign(one, { known: true, recorded: true })
  if (what === 'be forgotten') one.known = false
  if (what === 'be forgotten for ever') Object.assign(one, { known: false, recorded: false })
  if (!isAlive(one)) return
  const runs = one.state === 'running' || one.state === 'suspended' || one.state === 'unknown'
  switch (what) {
    case 'start':
      if (one.state !== 'queued') return
      one.state = 'running'
      one.startedAt ??= run.store.now
      return
    case 'succeed':
      world.end(one, 'succeeded', 0)
      return
    case 'exit 3':
      // Some schedulers call it a success all the same.
      world.end(one, run.store.now % 2 === 0 ? 'succeeded' : 'failed', 3)
      return
    case 'fail for want of memory':
      world.end(one, 'failed', 137, 'memory')
      return
    case 'cancel itself':
      world.end(one, 'cancelled')
      return
    case 'hold':
      if (one.state === 'queued') one.state = 'held'
      return
    case 'suspend':
      if (one.state === 'running') one.state = 'suspended'
      return
    case 'evict':
      if (runs) one.state = 'queued'
      return
    case 'be of parts':
      one.parts ??= ['queued', 'queued']
      if (one.state === 'running') one.parts = ['running', 'queued']
      return
    case 'end in parts':
      if (one.state !== 'running') return
      one.parts = ['succeeded', 'failed']
      world.end(one, 'failed', 1)
      return
    case 'vanish':
      world.end(one, 'failed')
      Object.assign(one, { known: false, recorded: false })
      return
    case 'answer an unknown word':
      if (one.state === 'running') one.state = 'unknown'
      return
  }
}
