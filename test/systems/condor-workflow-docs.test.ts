// What the page about workflows tells, as it stands there, on a real pool.
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { programOf } from '../docs/extract.js'
import { written } from '../docs/written.js'

const page = programOf(new URL('../../docs/workflows.md', import.meta.url))
// Written while this process may write here: what comes after is an ordinary account's.
const program = await written('workflows', page.source)
await import('./condor-pool.js')

test('the diamond prints what the page says', async () => {
  // Not below /tmp, where a strict DAGMan takes no workflow.
  const directory = mkdtempSync(path.join(homedir(), 'telesto-docs-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }))
  const { stdout } = await promisify(execFile)(process.execPath, [program], { cwd: directory, timeout: 90_000 })
  expect(stdout).toBe(page.output)
}, 120_000)
