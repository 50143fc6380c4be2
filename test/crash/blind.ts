// Takes one safeguard at a time out of a copy of the library, kills servers that run on that copy, and demands that the
// oracle sees what comes of it. An oracle that reports zeros then is blind.

import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { SAFEGUARDS, without } from './safeguards.ts'

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url))
/** Enough for each fault to happen, mostly several times over. */
const RUN = ['--kills', '25', '--jobs', '40', '--patience', '12']
/** Whether a kill meets a fault is a matter of chance: blind is an oracle that sees nothing in any of these. */
const SEEDS = ['1', '2', '3']

/** A copy of the repository in which `telesto` means the patched library. */
const copyWithout = (safeguard: string): string => {
  const copy = mkdtempSync(join(tmpdir(), 'telesto-blind-'))
  for (const part of ['dist', 'test/crash', 'package.json'])
    cpSync(join(REPOSITORY, part), join(copy, part), { recursive: true })
  symlinkSync(join(REPOSITORY, 'node_modules'), join(copy, 'node_modules'))
  for (const replacement of SAFEGUARDS[safeguard] ?? []) {
    const file = join(copy, 'dist', replacement.file)
    writeFileSync(file, without(readFileSync(file, 'utf8'), replacement))
  }
  return copy
}

/** The last line of a run, and its exit code. */
const run = async (copy: string, seed: string): Promise<{ readonly verdict: string; readonly code: number | null }> => {
  const child = spawn(process.execPath, [join(copy, 'test/crash/main.ts'), ...RUN, '--seed', seed], {
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

let blind = 0
const judgeWithout = async (safeguard: string): Promise<void> => {
  const copy = copyWithout(safeguard)
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
const left = Object.keys(SAFEGUARDS)
const worker = async (): Promise<void> => {
  for (let safeguard = left.shift(); safeguard !== undefined; safeguard = left.shift()) await judgeWithout(safeguard)
}
await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, worker))
console.log(blind === 0 ? 'the oracle sees each of them' : `the oracle is blind to ${blind}`)
process.exitCode = blind === 0 ? 0 : 1
