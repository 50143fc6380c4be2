import { expect, test } from 'vitest'
import { childScript, freshFile, look, startChild } from './support.js'

const rows = (file: string) => look(file, 'SELECT id, n FROM counters ORDER BY id')

test('what was acknowledged survives a SIGKILL right after it', { timeout: 60_000 }, async () => {
  const file = await freshFile()
  for (let round = 0; round < 6; round += 1) {
    const child = startChild(childScript('commit'), [file, 'once'])
    expect(await child.line()).toBe(String(round + 2))
    expect((await child.ended).code).toBe('SIGKILL')
    expect(rows(file).at(-1)).toEqual({ id: round + 2, n: round + 1 })
  }
})

test('a SIGKILL in the middle of writing loses nothing that was acknowledged, and leaves nothing half done', async () => {
  const file = await freshFile()
  const child = startChild(childScript('commit'), [file])
  let acknowledged = 0
  for (let line = 0; line < 40; line += 1) acknowledged = Number(await child.line())
  child.process.kill('SIGKILL')
  for (let line = await child.line(); line !== undefined; line = await child.line()) acknowledged = Number(line)
  const found = rows(file)
  expect(acknowledged).toBeGreaterThanOrEqual(41)
  expect(found.length).toBeGreaterThanOrEqual(acknowledged)
  expect(found).toEqual(found.map((_, index) => ({ id: index + 1, n: index })))
  expect(look(file, 'PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }])
})
