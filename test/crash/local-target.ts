import { mkdirSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { commandOf, readLines, runsOf } from './job-file.ts'
import type { Place, Target } from './target.ts'

/** Processes that work, or did, for a job of a portal in this directory. */
const processesOf = (directory: string): { readonly pid: number; readonly token: string }[] =>
  readdirSync('/proc').flatMap((entry) => {
    const pid = Number(entry)
    if (!Number.isInteger(pid)) return []
    try {
      const [environment, command, stat] = ['environ', 'cmdline', 'stat'].map((file) =>
        readFileSync(`/proc/${pid}/${file}`, 'latin1'),
      ) as [string, string, string]
      const [, token] = /(?:^|\0)TELESTO_TOKEN=([^\0]*)/.exec(environment) ?? []
      const zombie = /\) [ZX] /.test(stat)
      if (token === undefined || zombie || !`${environment}${command}`.includes(directory)) return []
      return [{ pid, token }]
    } catch {
      return [] // gone meanwhile
    }
  })

const isClaimed = ({ workdir, token }: Place): boolean => {
  try {
    return !readlinkSync(join(workdir, '.telesto', token, 'claim')).startsWith('telesto:')
  } catch {
    return false
  }
}

/** Jobs of this machine; each writes of itself into a file of its own in `files`, outside Telesto's `directory`. */
export const localTarget = (directory: string, files: string): Target => {
  mkdirSync(files, { recursive: true })
  return {
    scheduler: { adapter: 'local', name: 'local', config: { killGraceSeconds: 0.5 }, maxActiveJobs: 5 },
    repertoire: { unmounts: true, mostProcs: 1 },
    leaseSeconds: 5,
    underWay: 16,
    optionsOf: ({ key, behaviours }) => ({ jobType: 'BASIC', command: commandOf(join(files, key), behaviours) }),
    idOf: (nativeId) => nativeId.split(':')[1] ?? nativeId,
    isClaimed,
    runs: async (keys) => new Map(keys.map((key) => [key, runsOf(readLines(join(files, key)))])),
    alive: async () => processesOf(directory).map(({ pid, token }) => `process ${pid} of ${token}`),
    directories: () => [],
    async clear() {
      for (const { pid } of processesOf(directory)) {
        try {
          process.kill(pid, 'SIGKILL')
        } catch {
          // gone by itself
        }
      }
    },
    async stop() {},
  }
}
