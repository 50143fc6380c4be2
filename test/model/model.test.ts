import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

/** A program of this folder, as a process of its own: its exit code and what it printed. */
const run = async (
  script: string,
  ...args: string[]
): Promise<{ readonly code: number | null; readonly said: string }> => {
  const hook = here('../store/run-typescript.mjs')
  const child = spawn(process.execPath, ['--no-warnings', '--import', hook, here(script), ...args])
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      said += String(chunk)
    })
  }
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  return { code, said }
}

// How long they take depends on the machine alone.
const PATIENCE = 300_000

test(
  'Two engines, one scheduler and its people: whatever chance does to them, every law holds',
  async () => {
    const { code, said } = await run('main.ts', '--runs', '300', '--seed', '1', '--workers', '2')
    expect(said).toContain('300 runs')
    expect(said).toContain('every law held')
    expect(code).toBe(0)
  },
  PATIENCE,
)

test(
  'Without a safeguard the model sees a law broken',
  async () => {
    const { code, said } = await run('blind.ts', '--only', 'recover', '--only', 'the hand-over mark', '--only', 'pace')
    expect(said).toContain('the model sees each of them')
    expect(said).toContain('seen: without recover: doubled:')
    expect(code).toBe(0)
  },
  PATIENCE,
)
