import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { posix } from 'node:path'
import {
  type AdapterContext,
  type NativeId,
  SchedulerError,
  type SubmitRequest,
  type Token,
} from '../../src/adapter.js'
import { curlConfig } from '../curl-config.js'
import { aborted, untilAborted } from '../together.js'
import { archiveOf, type Entry } from './archive.js'
import { groupsOf } from './groups.js'
import type { InputFile } from './inputs.js'
import type { Prepared } from './kind.js'
import { KINDS } from './kinds.js'
import { countOf, idsOf } from './native-id.js'
import { type Place, placeOf } from './place.js'
import { procsIn } from './queue.js'
import { type Remote, sectionOf, type Told } from './remote.js'
import { REPORT_FILE } from './report-file.js'
import { OWN_FOLDER, serialize } from './submit-description.js'
import { SUBMIT_SCRIPT } from './submit-script.js'
import { notAsked, refusal } from './words.js'

/** An input file up to this size travels in the archive of the batch; a larger one goes before, by itself. */
const SMALL_FILE = 1024 * 1024
/** Of one batch: its archive is held in memory. */
const MAX_BATCH_BYTES = 16 * 1024 * 1024
const MAX_BATCH_JOBS = 1000
/** Seconds after which a batch tries no more of its jobs one by one: what is left is handed over again. */
const TRY_SECONDS = 25

type Answers = Map<Token, NativeId | SchedulerError>

interface Job {
  readonly request: SubmitRequest
  readonly place: Place
  readonly prepared: Prepared
}
/** Its large files have gone before, its small ones are in memory. */
interface LoadedJob extends Job {
  readonly small: readonly (InputFile & { readonly data: Uint8Array })[]
}

export interface Submitter {
  readonly remote: Remote
  readonly transport: AdapterContext['transport']
  /** The home of the login, absolute. */
  home(signal: AbortSignal): Promise<string>
}

export const submitOn =
  (submitter: Submitter) =>
  async (requests: readonly SubmitRequest[], signal: AbortSignal): Promise<Answers> => {
    const answers: Answers = new Map()
    const batches = new Map<Place['root'], Batch>()
    let outage = false
    const hand = async (batch: Batch): Promise<void> => {
      batches.delete(batch.root)
      try {
        for (const [token, answer] of await handOver(submitter, batch, signal)) answers.set(token, answer)
      } catch (error) {
        if (!(error instanceof SchedulerError)) throw error
        outage = true
        // What was accepted before is answered; of these it is open, and recover() will be asked.
        for (const { request } of batch.jobs) answers.set(request.token, error)
      }
    }
    for (const request of requests) {
      // Those that were not tried are not answered.
      if (signal.aborted || outage) break
      const id = `b${randomUUID().replaceAll('-', '')}`
      try {
        const place = placeOf(request)
        const batch = batches.get(place.root) ?? { id, root: place.root, jobs: [], bytes: 0 }
        batches.set(place.root, batch)
        const job = await prepare(submitter, request, place, batch.id, signal)
        batch.jobs.push(job)
        batch.bytes += job.prepared.files.reduce((sum, { size }) => sum + (size > SMALL_FILE ? 0 : size), 4096)
        if (batch.jobs.length === MAX_BATCH_JOBS || batch.bytes > MAX_BATCH_BYTES) await hand(batch)
      } catch (error) {
        if (!(error instanceof SchedulerError)) throw error
        if (isOutage(error) && answers.size === 0) throw error
        if (isOutage(error)) return answers
        answers.set(request.token, error)
      }
    }
    for (const batch of batches.values()) if (batch.jobs.length > 0 && !signal.aborted && !outage) await hand(batch)
    const [first] = answers.values()
    if (answers.size === requests.length && isOutage(first) && [...answers.values()].every((one) => one === first))
      throw first
    return answers
  }

interface Batch {
  readonly id: string
  readonly root: Place['root']
  readonly jobs: Job[]
  bytes: number
}

const isOutage = (answer: unknown): answer is SchedulerError =>
  answer instanceof SchedulerError && answer.code !== 'invalid_job' && answer.code !== 'rejected'

/** Looks up what the job needs on this machine, and describes it. Throws SchedulerError for this job alone. */
const prepare = async (
  { home }: Submitter,
  request: SubmitRequest,
  place: Place,
  batch: string,
  signal: AbortSignal,
): Promise<Job> => {
  const kind = KINDS[request.jobType]
  if (!kind) throw new SchedulerError('invalid_job', `HTCondor runs no jobs of the type ${request.jobType}.`)
  const directory = place.root === '/' ? place.workdir : posix.join(await home(signal), place.relative)
  const { token, name } = request
  const prepared = await kind.prepare(request, { token, name, directory, batch, report: request.report !== undefined })
  return { request, place, prepared }
}

const handOver = async (submitter: Submitter, batch: Batch, signal: AbortSignal): Promise<Answers> => {
  const { remote, transport } = submitter
  const answers: Answers = new Map()
  const jobs: LoadedJob[] = []
  for (const job of batch.jobs) {
    try {
      jobs.push(await load(transport, job, signal))
    } catch (error) {
      if (!(error instanceof SchedulerError) || isOutage(error)) throw error
      answers.set(job.request.token, error)
    }
  }
  const [first] = jobs
  if (!first) return answers
  const directory = `${first.place.relative}/${OWN_FOLDER}/batch-${batch.id}`
  const stdin = await archiveOf(entriesOf(jobs, directory))
  if (signal.aborted) return answers
  const counts = new Map(
    jobs.map(({ request, prepared: { submit } }) => [request.token, 'dag' in submit ? 1 : submit.count]),
  )
  const procs = [...counts.values()].reduce((sum, count) => sum + count, 0)
  const args = [batch.root, directory, batch.id, String(TRY_SECONDS), String(procs), String(stdin.byteLength)]
  const told = await remote('submit', SUBMIT_SCRIPT, { args, stdin, signal })
  const unpacked = told.sections.find(({ title }) => title === 'unpack')
  if (unpacked)
    throw new SchedulerError(
      'unavailable',
      `The files of the job cannot be written: ${unpacked.text.trim().slice(0, 2000)}`,
    )
  for (const [token, answer] of answersOf(told, counts)) answers.set(token, answer)
  return answers
}

/**
 * What the script said of each job, of which so many procs were to be submitted. Those that it did not try are left out. A job of which the
 * queue and the newest of the history show a part alone is open: recover() reads all of it. Pure.
 */
export const answersOf = (told: Told, counts: ReadonlyMap<Token, number>): Answers => {
  const ids = idsOf(procsIn(sectionOf(told, 'procs')))
  const words = (verb: string) =>
    new Map(
      told.sections.flatMap(({ title, text }) =>
        title.startsWith(`${verb} `) ? [[title.slice(verb.length + 1), text]] : [],
      ),
    )
  const [refused, lost, uncopied] = [words('refused'), words('lost'), words('uncopied')]
  const late = new Set(told.sections.flatMap(({ title, text }) => (title === 'late' ? text.split('\n') : [])))
  const away = told.sections.some(({ title }) => title === 'away')
  const open = away
    ? notAsked('condor_submit', sectionOf(told, 'away'))
    : told.code === 0
      ? new SchedulerError('unavailable', 'condor_submit took the job, but neither the queue nor the history shows it.')
      : notAsked('condor_q', told.stderr)
  const answers: Answers = new Map()
  for (const [token, count] of counts) {
    const id = ids.get(token)
    const [why, copying] = [refused.get(token), uncopied.get(token)]
    if (id !== undefined) answers.set(token, countOf(id) < count ? partial(id, count) : id)
    else if (why !== undefined) answers.set(token, refusal(why))
    else if (copying !== undefined) answers.set(token, notAsked('What the attempt before had done', copying))
    else if (!lost.has(token) && !late.has(token)) answers.set(token, open)
  }
  return answers
}

const partial = (id: NativeId, count: number): SchedulerError =>
  new SchedulerError('unavailable', `condor_submit took the job, but of its ${count} procs only ${id} are shown.`)

/** Throws SchedulerError `invalid_job` for a file that can no longer be read. */
const load = async (transport: Submitter['transport'], job: Job, signal: AbortSignal): Promise<LoadedJob> => {
  const { place, prepared } = job
  const large = prepared.files.filter(({ size }) => size > SMALL_FILE)
  // cleanUp() knows by it that the directory is ours.
  if (large.length > 0) await untilAborted(signal, transport.mkdir(posix.join(place.workdir, OWN_FOLDER)), aborted)
  for (const { from, to } of large) {
    const path = posix.join(place.workdir, to)
    await untilAborted(signal, transport.mkdir(posix.dirname(path)), aborted)
    await untilAborted(signal, transport.put(from, path), aborted)
  }
  const small: LoadedJob['small'][number][] = []
  for (const file of prepared.files) {
    if (file.size > SMALL_FILE) continue
    const data = await readFile(file.from).catch((cause: unknown) => {
      throw new SchedulerError('invalid_job', `The input file ${file.to} cannot be read: ${String(cause)}`, { cause })
    })
    small.push({ ...file, data })
  }
  return { ...job, small }
}

/** All that the batch needs on the target; the claims last. */
const entriesOf = (jobs: readonly LoadedJob[], batch: string): Entry[] => {
  const entries: Entry[] = []
  const claims: Entry[] = []
  const write = (path: string, data: string | Uint8Array, mode = 0o600) => entries.push({ path, data, mode })
  const dags: string[] = []
  for (const { request, place, prepared, small } of jobs) {
    const at = (path: string) => `${place.relative}/${path}`
    entries.push({ path: at(OWN_FOLDER), folder: true, mode: 0o700 })
    for (const folder of prepared.folders) entries.push({ path: at(folder), folder: true, mode: 0o755 })
    for (const { to, data, mode } of small) write(at(to), data, mode | 0o600)
    for (const [path, text] of prepared.texts) write(at(path), text, 0o644)
    if (request.report) write(at(REPORT_FILE), curlConfig(request.report))
    if ('dag' in prepared.submit) {
      dags.push(request.token)
      const appended = [
        `+TelestoToken="${request.token}"`,
        `+TelestoBatch="${posix.basename(batch).slice('batch-'.length)}"`,
      ]
      write(
        `${batch}/${request.token}.dag`,
        [...appended.flatMap((line) => ['-append', line]), ...prepared.submit.dag, ''].join('\n'),
      )
    } else write(at(SUBMIT_FILE), serialize(prepared.submit))
    claims.push({ path: at(`${OWN_FOLDER}/claim-${request.token}`), link: batch })
  }
  const line = ({ request, place }: Job) => `${request.token}\t${place.relative}\n`
  write(`${batch}/jobs`, jobs.map(line).join(''))
  if (dags.length > 0)
    write(
      `${batch}/dags`,
      jobs
        .filter(({ request }) => dags.includes(request.token))
        .map(line)
        .join(''),
    )
  const described = jobs.flatMap(({ request: { token }, prepared: { submit } }) =>
    'dag' in submit ? [] : [{ token, description: submit }],
  )
  groupsOf(described).forEach(({ submitFile, lines }, number) => {
    write(`${batch}/${number}.sub`, submitFile)
    write(`${batch}/${number}.items`, `${lines.join('\n')}\n`)
  })
  return [...entries, ...claims]
}

/** What the job alone would be submitted with; which files its procs write is read there. */
export const SUBMIT_FILE = `${OWN_FOLDER}/job.sub`
