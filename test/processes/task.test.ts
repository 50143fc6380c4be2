import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { exists } from '../adapters/local-fixture.js'

const start = (directory: string, what: 'start' | 'go on') => {
  const program = fileURLToPath(new URL('task-server.ts', import.meta.url))
  const child: ChildProcess = spawn(process.execPath, ['--no-warnings', program, directory, what], { stdio: 'inherit' })
  const gone = new Promise<void>((settle) => child.once('exit', () => settle()))
  const kill = async () => {
    child.kill('SIGKILL')
    await gone
  }
  onTestFinished(kill)
  return kill
}

interface Row {
  readonly status: string
  readonly progress: number | null
  readonly attempts: number
  readonly workdir: string | null
  readonly result: string | null
}
const look = (directory: string): Row | undefined => {
  try {
    const database = new DatabaseSync(path.join(directory, 'telesto.db'), { readOnly: true, timeout: 5000 })
    try {
      return database
        .prepare(
          `SELECT j.status_code AS status, j.progress, a.workdir, a.result,
             (SELECT COUNT(*) FROM telesto_attempts) AS attempts
           FROM telesto_jobs j LEFT JOIN telesto_attempts a ON a.id = j.attempt_id`,
        )
        .get() as unknown as Row | undefined
    } finally {
      database.close()
    }
  } catch {
    return undefined // not there yet
  }
}

test.each(['while no server runs', 'under the next server'])(
  'a server is killed while its task runs: the task runs on, ends %s, and is collected',
  { timeout: 120_000 },
  async (when) => {
    const directory = mkdtempSync(path.join(tmpdir(), 'telesto task '))
    onTestFinished(() => rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }))
    const kill = start(directory, 'start')
    await expect.poll(() => look(directory)?.progress, { timeout: 40_000 }).toBe(0.25)
    await kill()

    const workdir = String(look(directory)?.workdir)
    const pid = Number(readFileSync(path.join(workdir, 'runs'), 'utf8'))
    onTestFinished(() => {
      if (exists(pid)) process.kill(pid, 'SIGKILL')
    })
    expect(exists(pid)).toBe(true)
    const go = async () => {
      writeFileSync(path.join(workdir, 'go'), '')
      await expect.poll(() => exists(pid), { timeout: 10_000 }).toBe(false)
    }
    if (when === 'while no server runs') await go()
    start(directory, 'go on')
    if (when !== 'while no server runs') await go()
    await expect.poll(() => look(directory)?.status, { timeout: 40_000 }).toBe('COM')
    expect(look(directory)).toMatchObject({ progress: 0.75, attempts: 1, result: '{"seen":{"waited":true}}' })
    expect(readFileSync(path.join(workdir, 'runs'), 'utf8')).toBe(`${pid}\n`)
  },
)
