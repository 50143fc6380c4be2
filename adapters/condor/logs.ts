import { posix } from 'node:path'
import { type JobRef, type LogName, type LogWindow, SchedulerError, type Transport } from '../../src/adapter.js'
import { procsOf } from './native-id.js'
import { placeOf } from './place.js'
import type { Remote } from './remote.js'
import { SUBMIT_FILE } from './submit.js'
import { EVENTS_FILE, OWN_FOLDER } from './submit-description.js'
import { workflowLog, workflowLogs } from './workflow-logs.js'
import { isWorkflow } from './workflow-status.js'

/** What the log of events is called; the others have the names of their files. */
const EVENTS = 'events.log'

/** A file that a job writes: its path in the directory of the attempt, and the number of the proc where it has several. */
interface LogFile {
  readonly path: string
  readonly part?: string
}

/** The files that the procs of a submit file write. Names that HTCondor alone can work out are left out. Pure. */
export const logFilesOf = (submitFile: string, nativeId: string, directory: string): LogFile[] => {
  const procs = procsOf(nativeId)
  if (!procs) return []
  const commands = new Map<string, string>()
  for (const [, name = '', value = ''] of submitFile.matchAll(/^([A-Za-z_.]+) = (.*)$/gm)) commands.set(name, value)
  const count = procs.last - procs.first + 1
  const files: LogFile[] = []
  const seen = new Set<string>()
  for (const command of ['output', 'error', 'log']) {
    for (let number = 0; number < count; number++) {
      const expand = (text: string): string | undefined => {
        const known = text.replaceAll(/\$\((step|cluster|clusterid)\)/gi, (_, macro: string) =>
          String(macro.toLowerCase() === 'step' ? number : procs.cluster),
        )
        return /\$\w*\(/.test(known.replaceAll('$(DOLLAR)', '')) ? undefined : known.replaceAll('$(DOLLAR)', '$')
      }
      const value = expand(commands.get(command) ?? '')
      const start = expand(commands.get('initialdir') ?? directory)
      if (!value || start === undefined) continue
      const path = posix.relative(directory, posix.resolve(start, value))
      if (seen.has(path) || !isInside(path)) continue
      seen.add(path)
      files.push(count > 1 && command !== 'log' ? { path, part: String(number) } : { path })
    }
  }
  return files
}

const isInside = (path: string): boolean =>
  path !== '' && !path.startsWith('/') && !path.split('/').includes('..') && path.split('/')[0] !== OWN_FOLDER

/** Empty where the job was not submitted yet. Standard output and error of all procs, then the log of events. */
export const listLogsOn =
  (transport: Transport, home: (signal: AbortSignal) => Promise<string>) =>
  async (job: JobRef, signal: AbortSignal): Promise<readonly LogName[]> => {
    const place = placeOf(job)
    if (isWorkflow(job)) return (await workflowLogs(transport, place.workdir)).map(({ path: _, ...log }) => log)
    const submitFile = await transport.read(posix.join(place.workdir, SUBMIT_FILE))
    if (!submitFile) return []
    const directory = place.root === '/' ? place.workdir : posix.join(await home(signal), place.relative)
    const files = logFilesOf(new TextDecoder().decode(submitFile), job.nativeId, directory)
    const sizes = new Map<string, number>()
    for (const folder of new Set([OWN_FOLDER, ...files.map(({ path }) => posix.dirname(path))])) {
      const entries = await transport.list(posix.join(place.workdir, folder)).catch(() => [])
      for (const { name, size, directory: isFolder } of entries)
        if (!isFolder) sizes.set(posix.join(folder, name), size)
    }
    const logs: LogName[] = files.flatMap(({ path, part }) => {
      const size = sizes.get(path)
      return size === undefined ? [] : [{ name: path, size, ...(part === undefined ? {} : { part }) }]
    })
    const events = sizes.get(EVENTS_FILE)
    return events === undefined ? logs : [...logs, { name: EVENTS, size: events }]
  }

/** Arguments: the log of events, and what its lines of an end begin with. Answers how many there are. */
const ENDED_SCRIPT = `\
say ends
grep -c -E -e "$2" -- "$1"
over 0
`

export const readLogOn =
  (transport: Transport, remote: Remote) =>
  async (job: JobRef, log: LogName, from: number, maxBytes: number, signal: AbortSignal): Promise<LogWindow> => {
    const place = placeOf(job)
    const events = posix.join(place.workdir, EVENTS_FILE)
    const inPlace = isWorkflow(job) ? await workflowLog(transport, place.workdir, log) : pathOf(log.name)
    if (inPlace === undefined) throw new SchedulerError('rejected', `${JSON.stringify(log.name)} is no log of the job.`)
    const path = posix.join(place.workdir, inPlace)
    // Asked before it is read: what is read after the end is all there is. The log of a node is over with the workflow.
    const ended = await isOver(remote, job, events, isWorkflow(job) ? undefined : log.part, signal)
    const bytes = (await transport.read(path, from, maxBytes)) ?? new Uint8Array()
    if (bytes.byteLength > 0) {
      const next = from + bytes.byteLength
      return { bytes, next, end: ended && bytes.byteLength < maxBytes }
    }
    const size = await sizeOf(transport, path)
    return { bytes, next: Math.min(from, size), end: ended }
  }

/** A name as listLogs() gives it. */
const pathOf = (name: string): string | undefined =>
  name === EVENTS ? EVENTS_FILE : isInside(posix.normalize(name)) ? name : undefined

const sizeOf = async (transport: Transport, path: string): Promise<number> => {
  const entries = await transport.list(posix.dirname(path)).catch(() => [])
  return entries.find(({ name }) => name === posix.basename(path))?.size ?? 0
}

/** 005 is a proc that terminated, 009 one that was removed. */
const isOver = async (
  remote: Remote,
  { nativeId }: JobRef,
  events: string,
  part: string | undefined,
  signal: AbortSignal,
): Promise<boolean> => {
  const procs = procsOf(nativeId)
  if (!procs) return false
  const proc = part !== undefined && /^\d+$/.test(part) ? procs.first + Number(part) : undefined
  const pattern = `^00[59] \\(0*${procs.cluster}\\.${proc === undefined ? '[0-9]+' : `0*${proc}`}\\.`
  const wanted = proc === undefined ? procs.last - procs.first + 1 : 1
  const { sections } = await remote('ended', ENDED_SCRIPT, { args: [events, pattern], signal })
  return Number(sections[0]?.text.trim() || 0) >= wanted
}
