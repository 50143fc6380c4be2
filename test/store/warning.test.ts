import { expect, test } from 'vitest'
import { childScript, freshFile, startChild } from './support.js'

test('of the warnings while node:sqlite is loaded only its own is kept back', async () => {
  const preload = new URL('./children/warn.mjs', import.meta.url)
  const child = startChild(childScript('load'), [await freshFile()], { preload })
  expect(await child.line()).toBe('true')
  const { code, stderr } = await child.ended
  expect(code).toBe(0)
  expect(stderr).toContain('Something else is experimental')
  expect(stderr).not.toContain('SQLite')
})

test('opening a database prints nothing', async () => {
  const child = startChild(childScript('load'), [await freshFile()])
  expect(await child.line()).toBe('true')
  expect(await child.ended).toEqual({ code: 0, stderr: '' })
})
