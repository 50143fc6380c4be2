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

/**
 * The logs of a workflow that are there: DAGMan's own, then those of each node, as a part. Where a node was tried several times under
 * names that differ, the last one.
 */
export const workflowLogs = async (transport: Transport, workdir: string): Promise<FoundLog[]> => {
  const text = await transport.read(posix.join(workdir, LOGS_FILE))
  if (!text) return []
  const nodes = JSON.parse(new TextDecoder().decode(text)) as readonly NodeLog[]
  const wanted = [...OWN, ...nodes.map(([part, name, path]) => ({ part, name, path }))]
  const folders = new Map<string, ReadonlyMap<string, number>>()
  for (const folder of new Set(wanted.map(({ path }) => posix.dirname(path)))) {
    const entries = await transport.list(posix.join(workdir, folder)).catch(() => [])
    folders.set(folder, new Map(entries.flatMap(({ name, size, directory }) => (directory ? [] : [[name, size]]))))
  }
  return wanted.flatMap(({ path, ...log }) => {
    const [folder, file] = [posix.dirname(path), posix.basename(path)]
    const there = folders.get(folder) ?? new Map<string, number>()
    const found = file.includes('*') ? newest([...there.keys()].filter((name) => matcher(file).test(name))) : file
    const size = found === undefined ? undefined : there.get(found)
    return found === undefined || size === undefined ? [] : [{ ...log, path: posix.join(folder, found), size }]
  })
}

/** Where one of them is; undefined: there is none of that name. */
export const workflowLog = async (
  transport: Transport,
  workdir: string,
  { name, part }: Pick<LogName, 'name' | 'part'>,
): Promise<string | undefined> =>
  (await workflowLogs(transport, workdir)).find((log) => log.name === name && log.part === part)?.path

/** Clusters are counted up. */
const newest = (names: readonly string[]): string | undefined =>
  names.toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true })).at(-1)
