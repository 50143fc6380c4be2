import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
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
