// npm run defects [-- ids]: brings one defect at a time into a copy of the sources, runs its test there, and demands that it
// fails. A test that passes all the same shows nothing.

import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { DEFECTS, type Defect } from './defects.ts'

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url))
const PARTS = [
  'src',
  'adapters',
  'migrations',
  'test',
  'examples',
  'docs',
  'package.json',
  'tsconfig.json',
  'vitest.config.ts',
]

/** A copy of the repository that has the defect. */
const copyWith = ({ change }: Defect): string => {
  const copy = mkdtempSync(join(tmpdir(), 'telesto-defect-'))
  for (const part of PARTS) cpSync(join(REPOSITORY, part), join(copy, part), { recursive: true })
  symlinkSync(join(REPOSITORY, 'node_modules'), join(copy, 'node_modules'))
  for (const { file, text, by } of change) {
    const source = readFileSync(join(copy, file), 'utf8')
    const times = source.split(text).length - 1
    if (times !== 1) throw new Error(`${file} has ${times} times, not once: ${text}`)
    writeFileSync(
      join(copy, file),
      source.replace(text, () => by),
    )
  }
  return copy
}

interface Outcome {
  readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[]
}

/** How the defect's test ends in a directory: undefined where there is no such test. */
const runIn = async (directory: string, { file, test }: Defect): Promise<'passed' | 'failed' | undefined> => {
  const report = join(directory, 'report.json')
  const name = test.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  const options = ['--reporter=json', `--outputFile=${report}`, '--project', 'unit', '-t', name]
  const vitest = join(REPOSITORY, 'node_modules/vitest/vitest.mjs')
  const child = spawn(process.execPath, [vitest, 'run', ...options, file], { cwd: directory, stdio: 'ignore' })
  await new Promise((resolve) => child.on('close', resolve))
  const { testResults } = JSON.parse(readFileSync(report, 'utf8')) as { testResults: readonly Outcome[] }
  const results = testResults.flatMap(({ assertionResults }) => assertionResults)
  const ours = results.filter(({ fullName, status }) => fullName.includes(test) && status !== 'skipped')
  if (ours.some(({ status }) => status === 'failed')) return 'failed'
  return ours.length > 0 ? 'passed' : undefined
}

const ids = process.argv.slice(2)
const wanted = DEFECTS.filter(({ id }) => ids.length === 0 || ids.includes(id))
const unknown = ids.find((id) => !DEFECTS.some((defect) => defect.id === id))
if (unknown !== undefined) {
  console.error(`There is no defect ${unknown}. There is: ${DEFECTS.map(({ id }) => id).join(', ')}.`)
  process.exit(2)
}

let unseen = 0
const judge = async (defect: Defect): Promise<void> => {
  const copy = copyWith(defect)
  try {
    const outcome = await runIn(copy, defect)
    if (outcome !== 'failed') unseen++
    console.log(
      `${outcome === 'failed' ? 'seen' : 'NOT SEEN'}: ${defect.id}, ${defect.instead} (${outcome ?? 'no such test'})`,
    )
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}
const left = [...wanted]
const worker = async (): Promise<void> => {
  for (let defect = left.shift(); defect; defect = left.shift()) await judge(defect)
}
await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, worker))
console.log(unseen === 0 ? `each of ${wanted.length} defects is seen` : `${unseen} of ${wanted.length} are not seen`)
process.exitCode = unseen === 0 ? 0 : 1
