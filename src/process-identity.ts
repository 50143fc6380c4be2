import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'

/** When a process of this machine started, in its own unit; undefined where the system does not tell. */
const startOf = (pid: number): string | undefined => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  } catch {
    return undefined
  }
}

/** A name for this process that no other ever has, and from which its machine can tell whether it still runs. */
export const processIdentity = (machine: string): string =>
  [machine, process.pid, startOf(process.pid) ?? '', randomUUID()].join(' ')

/** False only when the named process was of this machine and is surely gone. */
export const mayBeAlive = (identity: string, machine: string, own: string): boolean => {
  const [where, pid, start] = identity.split(' ')
  if (identity === own || where !== machine) return true
  if (Number(pid) === process.pid) return start !== undefined && start === startOf(process.pid) && start !== ''
  try {
    process.kill(Number(pid), 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
  }
  const now = startOf(Number(pid))
  return start === '' || now === undefined || now === start
}
