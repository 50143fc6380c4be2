import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type NativeId, SchedulerError, type SubmitRequest, type Transport } from '../../src/adapter.js'
import { curlConfig } from '../curl-config.js'
import { ABSENT, makePlace, type Place, placeOf, readFact } from './facts.js'
import { copyInputs, findProgram } from './inputs.js'
import type { Processes } from './processes.js'
import { type BasicSpec, basicSpec } from './spec.js'
import { prepareTask } from './task.js'
import { wrapperScript } from './wrapper.js'

export type BasicRequest = SubmitRequest<{ BASIC: typeof basicSpec }>

interface Starter {
  readonly transport: Transport
  readonly processes: Processes
  readonly boot: string
  readonly signal: AbortSignal
  /** Called once, right before the process is made: from then on the fate of the job is open. */
  handed(): void
}

/** How long a wrapper may take to claim its token; a machine under heavy load needs seconds. */
const CLAIM_WAIT_MS = 20_000

/**
 * Starts one job, or finds that it was started before. Answers its id; undefined where the signal aborted before anything
 * was started. Throws SchedulerError.
 */
export const start = async (job: BasicRequest, starter: Starter): Promise<NativeId | undefined> => {
  const place = placeOf(job)
  const { env, inputFiles, ...spec } = checked(job.spec)
  const before = await claimant(place)
  if (before) return before

  const { transport, processes, boot, signal } = starter
  await prepare(() => makePlace(place))
  const report = join(place.privateDir, 'report')
  if (job.report) await transport.write(report, curlConfig(job.report), 0o600)
  await prepare(() => copyInputs(inputFiles ?? [], job.inputRoots, place.workdir, join(place.folder, 'input')))
  const [program, ...parameters] = spec.command ?? (await prepareTask(job, place, transport))
  const found = [await findProgram(program, job.inputRoots), ...parameters] as const
  const script = join(place.folder, 'run.sh')
  await transport.write(
    script,
    wrapperScript({ folder: place.folder, boot, how: processes.how, command: found, env: env ?? {} }),
    0o600,
  )
  if (signal.aborted) return undefined

  starter.handed()
  const child = spawn('/bin/sh', [script], {
    cwd: place.workdir,
    env: { ...cleanEnvironment(process.env), TELESTO_TOKEN: job.token, ...(job.report && { TELESTO_REPORT: report }) },
    stdio: 'ignore',
    detached: true,
  })
  let trouble: Error | undefined
  let ended = false
  child.on('error', (error) => {
    trouble = error
  })
  child.on('exit', () => {
    ended = true
  })
  child.unref()

  const deadline = performance.now() + CLAIM_WAIT_MS
  for (let pause = 2; ; pause = Math.min(pause * 2, 50)) {
    const over = ended || trouble !== undefined // looked at before the claim: what it wrote, it wrote before it ended
    const claim = await claimant(place)
    if (claim) return claim
    if (trouble) throw new SchedulerError('unavailable', `The job could not be started: ${trouble.message}`)
    if (over)
      throw new SchedulerError('unavailable', `The job could not be started: ${await complaint(place, transport)}`)
    if (performance.now() > deadline)
      throw new SchedulerError('unavailable', `The job did not start within ${CLAIM_WAIT_MS / 1000} seconds.`)
    await sleep(pause, undefined, { signal }).catch(() => {
      throw new SchedulerError('unavailable', 'The call was aborted while the job was being started.')
    })
  }
}

/** The id of the process that claimed the token, if any. Throws `unavailable` where recover() gave the token up. */
const claimant = async (place: Place): Promise<NativeId | undefined> => {
  const claim = await readFact(place, 'claim')
  if (claim?.text === ABSENT)
    throw new SchedulerError('unavailable', 'This attempt was given up before it started, and can no longer start.')
  return claim?.text
}

const checked = (spec: BasicSpec): BasicSpec => {
  const result = basicSpec.safeParse(spec)
  if (!result.success)
    throw new SchedulerError('invalid_job', result.error.issues.map(({ message }) => message).join(' '))
  if (!result.data.command && result.data.task === undefined)
    throw new SchedulerError('invalid_job', 'The job has neither a command nor a task, so there is nothing to run.')
  return result.data
}

const prepare = async (action: () => Promise<void>): Promise<void> => {
  try {
    await action()
  } catch (error) {
    if (error instanceof SchedulerError) throw error
    throw new SchedulerError('unavailable', `The job's directory cannot be made: ${String(error)}`, { cause: error })
  }
}

const complaint = async (place: Place, transport: Transport): Promise<string> => {
  const bytes = await transport.read(join(place.folder, 'wrapper.log'), 0, 2000)
  return new TextDecoder().decode(bytes).trim() || 'its wrapper ended without a word.'
}

const KEPT = /^(PATH|HOME|USER|LOGNAME|LANG|LC_[A-Z]+|TZ|TMPDIR|SHELL)$/

/** What a job may know of the server's environment; the rest may hold passwords. */
const cleanEnvironment = (source: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(source).filter(([name]) => KEPT.test(name)))
