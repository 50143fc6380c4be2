import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { TaskContext } from '../../../src/task.js'

/** Runs until the file `go` is there, or until it is asked to stop; then it tidies up. Without its directory nobody wants it. */
export const run = async (_input: unknown, task: TaskContext): Promise<{ readonly waited: true }> => {
  writeFileSync('runs', `${process.pid}\n`, { flag: 'a' })
  task.progress(0.25, 'waiting')
  try {
    while (!existsSync(join(task.directory, 'go'))) {
      if (!existsSync(task.directory)) process.exit(9)
      await sleep(20, undefined, { signal: task.signal })
    }
  } catch (error) {
    writeFileSync('tidied', String(task.signal.aborted))
    throw error
  }
  task.progress(0.75, 'going')
  return { waited: true }
}
