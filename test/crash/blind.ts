// Takes one safeguard at a time out of a copy of the library, kills servers that run on that copy, and demands that the
// oracle sees what comes of it. An oracle that reports zeros then is blind.
//
//     node test/crash/blind.ts [--only recover] [--adapter condor]    the latter with HTCondor, whose pool takes one run at a time

import { spawn } from 'node:child_process'
import { chmodSync, cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { CONDOR_SAFEGUARDS, type Replacement, SAFEGUARDS, without } from './safeguards.ts'

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url))
/** Enough for each fault to happen, mostly several times over. */
const RUNS = {
  local: ['--kills', '25', '--jobs', '40', '--patience', '12'],
  condor: ['--kills', '25', '--jobs', '40', '--patience', '30', '--slow'],
}
/** Whether a kill meets a fault is a matter of chance: blind is an oracle that sees nothing in any of these. */
const SEEDS = ['1', '2', '3']

const { values } = parseArgs({
  options: { adapter: { type: 'string', default: 'local' }, only: { type: 'string', multiple: true } },
})
const { adapter, only } = values
if (adapter !== 'local' && adapter !== 'condor') throw new Error(`--adapter ${adapter}: there is "local" and "condor".`)
const safeguards = { local: SAFEGUARDS, condor: CONDOR_SAFEGUARDS }[adapter]
/** Each run on this machine has its own jobs; they share the one pool. */
const AT_ONCE = { local: 2, condor: 1 }[adapter]

/** A copy of the repository in which `telesto` means the patched library. */
const copyWithout = (replacements: readonly Replacement[]): string => {
  const copy = mkdtempSync(join(tmpdir(), 'telesto-blind-'))
  chmodSync(copy, 0o755) // other accounts have to come by
  for (const part of ['dist', 'test/crash', 'test/systems', 'package.json'])
    cpSync(join(REPOSITORY, part), join(copy, part), { recursive: true })
  symlinkSync(join(REPOSITORY, 'node_modules'), join(copy, 'node_modules'))
  for (const replacement of replacements) {
    const file = join(copy, 'dist', replacement.file)
    writeFileSync(file, without(readFileSync(file, 'utf8'), replacement))
  }
  return copy
}

/** The last line of a run, and its exit code. */
const run = async (copy: string, seed: string): Promise<{ readonly verdict: string; readonly code: number | null }> => {
  const args = [...RUNS[adapter], '--seed', seed, '--adapter', adapter]
  const child = spawn(process.execPath, [join(copy, 'test/crash/main.ts'), ...args], {
    cwd: copy,
    env: { ...process.env, TMPDIR: copy },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += String(chunk)
  })
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  return { verdict: output.trim().split('\n').at(-1) ?? '', code }
}

const ZEROS = 'lost 0, doubled 0, wrong 0, stuck 0'
let blind = 0
/** What is seen where nothing is missing says nothing of the safeguards. */
const control = async (): Promise<void> => {
  const copy = copyWithout([])
  try {
    const { verdict, code } = await run(copy, SEEDS[0] as string)
    if (verdict !== ZEROS) throw new Error(`With all safeguards: ${verdict || `exit ${code}`}`)
    console.log(`with all safeguards: ${verdict}`)
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}
const judgeWithout = async ([safeguard, replacements]: readonly [string, readonly Replacement[]]): Promise<void> => {
  const copy = copyWithout(replacements)
  try {
    let sees = false
    for (const seed of SEEDS) {
      const { verdict, code } = await run(copy, seed)
      sees = code === 1 && /^lost \d+, doubled \d+, wrong \d+, stuck \d+$/.test(verdict) && /[1-9]/.test(verdict)
      console.log(`${sees ? 'seen' : 'not seen'}: without ${safeguard}, seed ${seed}: ${verdict || `exit ${code}`}`)
      if (sees) break
    }
    if (!sees) blind++
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}
await control()
const left = Object.entries(safeguards).filter(([name]) => only?.includes(name) ?? true)
const worker = async (): Promise<void> => {
  for (let one = left.shift(); one !== undefined; one = left.shift()) await judgeWithout(one)
}
await Promise.all(Array.from({ length: Math.min(AT_ONCE, availableParallelism()) }, worker))
console.log(blind === 0 ? 'the oracle sees each of them' : `the oracle is blind to ${blind}`)
process.exitCode = blind === 0 ? 0 : 1
