import { posix } from 'node:path'
import type { LogName, Transport } from '../../src/adapter.js'
import { DAG_FILE, LOGS_FILE, type NodeLog } from './dag-file.js'
import { EVENTS_FILE } from './submit-description.js'

/** A log that is there, and where. */
export interface FoundLog extends LogName {
  /** Below the directory of the attempt. */
  readonly path: string
}

/** DAGMan's own: what it says, the log of events of its job, and what HTCondor's library says. */
const OWN = [
  { name: 'dagman.out', path: `${DAG_FILE}.dagman.out` },
  { name: 'events.log', path: EVENTS_FILE },
  { name: 'lib.err', path: `${DAG_FILE}.lib.err` },
] as const

const matcher = (pattern: string): RegExp =>
  new RegExp(
    `^${pattern
      .split('*')
      .map((text) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
      .join('.*')}$`,
    's',
  )

const nodeLogs = async (transport: Transport, workdir: string): Promise<readonly Wanted[]> => {
  const text = await transport.read(posix.join(workdir, LOGS_FILE))
  const logs = text ? (JSON.parse(new TextDecoder().decode(text)) as readonly NodeLog[]) : []
  return logs.map(([part, name, path]) => ({ part, name, path }))
}
type Wanted = Pick<FoundLog, 'part' | 'name' | 'path'>

/** Those that are there. Where a node was tried several times under names that differ, the last one. */
const found = async (transport: Transport, workdir: string, wanted: readonly Wanted[]): Promise<FoundLog[]> => {
  const folders = new Map<string, ReadonlyMap<string, number>>()
  for (const folder of new Set(wanted.map(({ path }) => posix.dirname(path)))) {
    const entries = await transport.list(posix.join(workdir, folder)).catch(() => [])
    folders.set(folder, new Map(entries.flatMap(({ name, size, directory }) => (directory ? [] : [[name, size]]))))
  }
  return wanted.flatMap(({ path, ...log }) => {
    const [folder, file] = [posix.dirname(path), posix.basename(path)]
    const there = folders.get(folder) ?? new Map<string, number>()
    const name = file.includes('*') ? newest([...there.keys()].filter((one) => matcher(file).test(one))) : file
    const size = name === undefined ? undefined : there.get(name)
    return name === undefined || size === undefined ? [] : [{ ...log, path: posix.join(folder, name), size }]
  })
}

/** Clusters are counted up. */
const newest = (names: readonly string[]): string | undefined =>
  names.toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true })).at(-1)

/** The logs of a workflow that are there: DAGMan's own, then those of each node, as a part. */
export const workflowLogs = async (transport: Transport, workdir: string): Promise<FoundLog[]> =>
  await found(transport, workdir, [...OWN, ...(await nodeLogs(transport, workdir))])

/** Where one of them is; undefined: there is none of that name. */
export const workflowLog = async (
  transport: Transport,
  workdir: string,
  { name, part }: Pick<LogName, 'name' | 'part'>,
): Promise<string | undefined> => {
  const wanted = part === undefined ? OWN : await nodeLogs(transport, workdir)
  const log = wanted.find((one) => one.name === name && ('part' in one ? one.part : undefined) === part)
  if (log === undefined || !log.path.includes('*')) return log?.path
  return (await found(transport, workdir, [log]))[0]?.path
}
