// The programs that the documents tell of HTCondor, as they stand, on a real pool.
import { execFile } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { blocksOf } from '../docs/extract.js'
import { written } from '../docs/written.js'
import { becomeAccount } from './account.js'

const run = promisify(execFile)
const TETHYS = new URL('../../docs/tethys.md', import.meta.url)
const [twin = ''] = blocksOf(TETHYS, 'typescript')
const twinFile = await written('tethys-condor', twin)

becomeAccount(process.env.CONDOR_USER)

const emptyDirectory = (): string => {
  const directory = mkdtempSync(path.join(tmpdir(), 'telesto-docs-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

test("Tethys' example of a CONDOR job: its twin runs on a pool, and prints what the page says", async () => {
  const directory = emptyDirectory()
  const workspace = path.join(directory, 'workspace')
  mkdirSync(workspace)
  writeFileSync(
    path.join(workspace, 'my_script.py'),
    '#!/usr/bin/env python3\nprint(open("input_1").read() + open("input_2").read())\n',
  )
  chmodSync(path.join(workspace, 'my_script.py'), 0o755)
  for (const name of ['input_1', 'input_2']) writeFileSync(path.join(workspace, name), name)
  const { stdout } = await run(process.execPath, [twinFile], { cwd: directory, timeout: 60_000 })
  expect(stdout).toBe(blocksOf(TETHYS, 'text')[0])
}, 90_000)
