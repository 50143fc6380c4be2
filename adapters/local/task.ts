import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type JobRef, SchedulerError, type SubmitRequest, type Transport } from '../../src/adapter.js'
import { MAX_RESULT_BYTES } from '../../src/task.js'
import { type Place, placeOf } from './facts.js'

/** What the runner is to do; a file, because an input has no place in argv. */
export interface TaskOrder {
  readonly module: string
  readonly input?: unknown
  readonly directory: string
  readonly maxResultBytes: number
}

/** What a task last told. Absent: nothing of that kind. */
export interface Told {
  readonly progress?: number
  readonly message?: string
  /** Why it failed. */
  readonly error?: string
}

/** Beside this file, and of its kind: TypeScript where the sources themselves are run. */
const RUNNER = fileURLToPath(new URL(`./task-runner${extname(import.meta.url)}`, import.meta.url))
/** More than the runner ever writes there. */
const MAX_TOLD_BYTES = 64 * 1024

/** Writes down what the runner is to do; answers the command that does it. */
export const prepareTask = async (
  { task, spec }: Pick<SubmitRequest, 'task' | 'spec'>,
  place: Place,
  transport: Transport,
): Promise<readonly [string, ...string[]]> => {
  if (!task) {
    const name = JSON.stringify((spec as { readonly task?: string }).task)
    throw new SchedulerError('invalid_job', `The module of the task ${name} is not known.`)
  }
  const order: TaskOrder = { ...task, directory: place.workdir, maxResultBytes: MAX_RESULT_BYTES }
  await transport.write(join(place.folder, 'task.json'), JSON.stringify(order), 0o600)
  return [process.execPath, RUNNER, place.folder]
}

/** Written by the account of the job, so that it may be anything: what is not as it should be is as if it were not there. */
export const readTold = async (job: JobRef, transport: Transport): Promise<Told> => {
  let told: Readonly<Record<string, unknown>> | null
  try {
    const bytes = await transport.read(join(placeOf(job).folder, 'told.json'), 0, MAX_TOLD_BYTES)
    told = bytes ? (JSON.parse(new TextDecoder().decode(bytes)) as typeof told) : null
  } catch {
    return {}
  }
  const { progress, message, error } = told ?? {}
  return {
    ...(typeof progress === 'number' && progress >= 0 && progress <= 1 ? { progress } : {}),
    ...(typeof message === 'string' ? { message } : {}),
    ...(typeof error === 'string' ? { error } : {}),
  }
}

/** What the task returned; undefined where the job was no task. Throws `rejected` for what the runner never wrote. */
export const readResult = async (job: JobRef, transport: Transport): Promise<unknown> => {
  const file = join(placeOf(job).folder, 'result.json')
  const bytes = await transport.read(file, 0, MAX_RESULT_BYTES + 1)
  if (!bytes) return undefined
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) as unknown
  } catch (error) {
    throw new SchedulerError('rejected', `${file} is not the result that the task returned.`, { cause: error })
  }
}
