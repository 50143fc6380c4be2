// Takes one safeguard at a time out of a copy of the sources, plays stories on that copy, and demands that a law is seen
// broken. A model that sees nothing then is blind.
//
//     npm run model:blind [-- --runs 4000] [--seed 1] [--only recover]

import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { without } from '../crash/safeguards.ts'
import { SAFEGUARDS } from './safeguards.ts'

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url))
const PARTS = ['src', 'migrations', 'test/model', 'test/crash', 'test/store/run-typescript.mjs', 'package.json']

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '4000' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string', multiple: true },
  },
})

const copyWithout = (safeguard: string): string => {
  const copy = mkdtempSync(join(tmpdir(), 'telesto-model-blind-'))
  for (const part of PARTS) cpSync(join(REPOSITORY, part), join(copy, part), { recursive: true })
  symlinkSync(join(REPOSITORY, 'node_modules'), join(copy, 'node_modules'))
  for (const replacement of SAFEGUARDS[safeguard] ?? []) {
    const file = join(copy, replacement.file)
    writeFileSync(file, without(readFileSync(file, 'utf8'), replacement))
  }
  return copy
}

/** What broke, and after how many runs; undefined where nothing did. */
const judge = async (copy: string, runs = values.runs): Promise<string | undefined> => {
  const args = ['--workers', '0', '--first', '--runs', runs, '--seed', values.seed]
  const hook = join(copy, 'test/store/run-typescript.mjs')
  const child = spawn(
    process.execPath,
    ['--no-warnings', '--import', hook, join(copy, 'test/model/main.ts'), ...args],
    {
      cwd: copy,
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += String(chunk)
  })
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  const lines = output.trim().split('\n')
  const law = lines.find((line) => /^(lost|doubled|wrong|stuck): /.test(line))
  return code === 1 && law !== undefined ? `${law} (${lines.at(-1)})` : undefined
}

/** Nothing is taken out of it: what is seen here is seen everywhere, and says nothing. */
const CONTROL = 'nothing'

let blind = 0
for (const safeguard of [CONTROL, ...(values.only ?? Object.keys(SAFEGUARDS))]) {
  const copy = copyWithout(safeguard)
  try {
    const seen = await judge(copy, safeguard === CONTROL ? '100' : values.runs)
    console.log(
      `${seen === undefined ? 'not seen' : 'seen'}: without ${safeguard}${seen === undefined ? '' : `: ${seen}`}`,
    )
    if ((seen === undefined) !== (safeguard === CONTROL)) blind++
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}
console.log(blind === 0 ? 'the model sees each of them' : `${blind} of them not, or the model sees what is not there`)
process.exitCode = blind === 0 ? 0 : 1
