import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { localTransport } from '../../src/transport/local.js'
import { refusal, transportSuite } from './suite.js'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "telesto transport 'x' "))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const transport = localTransport()
transportSuite({ transport, dir: () => dir, fresh: localTransport })

test('paths that are relative are refused', async () => {
  expect((await refusal(transport.read('f'))).code).toBe('invalid_job')
  expect((await refusal(transport.list('.'))).code).toBe('invalid_job')
})

test('keys and passwords of the portal are not in the environment of what it starts', async () => {
  for (const name of ['TELESTO_KEYS', 'TELESTO_PASSWORD', 'TELESTO_PRIVATE_KEY_PASS', 'DATABASE_URL', 'PGPASSWORD'])
    vi.stubEnv(name, 'canary')
  vi.stubEnv('TELESTO_REPORT', 'stays')
  onTestFinished(() => void vi.unstubAllEnvs())
  const { stdout } = await transport.exec(['/usr/bin/env'])
  const environment = new TextDecoder().decode(stdout)
  expect(environment).not.toContain('canary')
  expect(environment).toContain('TELESTO_REPORT=stays')
})
