import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { local } from '../../adapters/local.js'
import { createTelesto } from '../../src/index.js'
import { migrateDatabase } from '../../src/store/open.js'
import { expectRefusal } from '../fixture.js'
import { quiet } from '../store/support.js'

// A server of its own, which comes and goes: the others share theirs.
let directory = ''
let url = ''
const server = async (command: string): Promise<string> => {
  const env = { ...process.env, SYSTEMS_ROOT: path.join(directory, 'systems'), POSTGRES_DURABLE: '1' }
  return (await promisify(execFile)(path.resolve('test/systems/postgres.sh'), [command], { env })).stdout
}
beforeAll(async () => {
  // Not below a directory that only root may enter: the server runs as another user.
  directory = await mkdtemp(path.join(tmpdir(), 'telesto-restart-'))
  await promisify(execFile)('chmod', ['755', directory])
  await server('start')
  url = /TELESTO_TEST_DATABASE=(\S+)/.exec(await server('env'))?.[1] ?? ''
  await migrateDatabase({ url, log: quiet })
})
afterAll(async () => {
  await server('stop')
  await rm(directory, { recursive: true, force: true })
})

test.for(['stop', 'kill'])('a job goes on where its database was gone meanwhile: %s and start', async (end) => {
  const failures: object[] = []
  const log = { ...quiet, error: (facts: object) => void failures.push(facts) }
  const telesto = await createTelesto({ adapters: [local], directory: path.join(directory, end), database: url, log })
  try {
    const app = telesto.app('flood')
    const jobs = await app.bulkCreate(
      ['sleep 1', 'sleep 4', 'true'].map((command) => ({
        name: command,
        user: 'ada',
        jobType: 'BASIC' as const,
        command: ['sh', '-c', command],
      })),
    )
    const [first, second, third] = jobs
    await first?.execute()
    await second?.execute()
    await expect.poll(async () => (await app.getJob(second?.id ?? 0))?.status, { timeout: 30_000 }).toBe('Running')
    await server(end)
    const { message } = await expectRefusal(() => app.getJob(first?.id ?? 0), 'database_unusable', 'database')
    expect(message).toContain('ECONNREFUSED')
    await expectRefusal(async () => await third?.execute(), 'database_unusable', 'database')
    await server('start')
    await third?.execute()
    const statuses = async () => (await app.query()).map(({ status }) => status)
    await expect.poll(statuses, { timeout: 60_000 }).toEqual(['Complete', 'Complete', 'Complete'])
    // The loops say of each failure that it was the database's.
    expect(failures.map((facts) => Reflect.get(facts, 'code'))).toEqual(failures.map(() => 'database_unusable'))
    expect(failures).not.toEqual([])
    await app.query().delete()
  } finally {
    await telesto.close()
  }
})
