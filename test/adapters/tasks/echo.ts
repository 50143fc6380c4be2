import type { TaskContext } from '../../../src/task.js'

/** Its input, as it came. */
export const run = (input: unknown, task: TaskContext): unknown => {
  task.progress(0.5, 'half-way')
  return input
}
