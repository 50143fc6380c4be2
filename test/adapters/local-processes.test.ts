import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { formatIdentity, parseIdentity, processesOf } from '../../adapters/local/processes.js'
import { wrapperScript } from '../../adapters/local/wrapper.js'
import type { Transport } from '../../src/adapter.js'
import { localTransport } from '../../src/transport/local.js'

test('an identity is read back as it was written', () => {
  const identity = { boot: 'a-b', pid: 42, start: 'Mon_Jan_1_00:00:00_2024' }
  expect(parseIdentity(formatIdentity(identity))).toEqual(identity)
})

test.each([
  '',
  'telesto:absent',
  'a:0:1',
  'a:1:1',
  'a:-2:1',
  'a:02:1',
  'a:2',
  'a:2:',
  ':2:1',
  'a:2:1 ',
  'a:99999999999:1',
])('%j is no identity, so that its group is never signalled', (text) => {
  expect(parseIdentity(text)).toBeUndefined()
})

/** A system that answers with canned text, and what it was asked. */
const canned = (answers: Record<string, string>) => {
  const asked: (readonly string[])[] = []
  const exec: Transport['exec'] = async (argv) => {
    asked.push(argv)
    const text = answers[argv.join(' ')]
    return { code: text === undefined ? 1 : 0, stdout: new TextEncoder().encode(text), stderr: new Uint8Array() }
  }
  return { asked, processes: processesOf('darwin', { ...localTransport(), exec }) }
}

test('without /proc, one question to ps tells of all; zombies and strange lines are nobody', async () => {
  const { asked, processes } = canned({
    'ps -o pid=,lstart=,state= -p 12,345,6,7': [
      '   12 Mon Jan  1 00:00:00 2024 Ss',
      '  345 Tue Feb 13 10:20:30 2024 T+',
      '    6 Tue Feb 13 10:20:30 2024 Z',
      'ps: oops',
    ].join('\n'),
  })
  expect([...(await processes.look([12, 345, 6, 7]))]).toEqual([
    [12, { start: 'Mon_Jan_1_00:00:00_2024', stopped: false }],
    [345, { start: 'Tue_Feb_13_10:20:30_2024', stopped: true }],
  ])
  expect((await processes.look([])).size).toBe(0)
  expect(asked).toHaveLength(1)
})

test('without /proc, the boot is named by sysctl: by its id, or by its time where there is none', async () => {
  expect(await canned({ 'sysctl -n kern.bootsessionuuid': 'AB-12\n' }).processes.boot()).toBe('AB-12')
  const time = canned({ 'sysctl -n kern.boottime': '{ sec = 17, usec = 3 } Mon Jan' }).processes
  expect(await time.boot()).toMatch(/^[\w-]+$/)
  await expect(canned({}).processes.boot()).rejects.toMatchObject({ code: 'unavailable' })
})

test('the wrapper writes its start time as ps tells it', async () => {
  const dir = mkdtempSync(join(tmpdir(), "telesto ps 'x' "))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  const bin = join(dir, 'bin')
  mkdirSync(bin)
  writeFileSync(join(bin, 'ps'), '#!/bin/sh\necho " Mon Jan  1 00:00:00 2024 "\n', { mode: 0o755 })
  const script = wrapperScript({ folder: dir, boot: 'boot', how: 'ps', command: ['true'], env: {} })
  const env = { PATH: `${bin}:${process.env.PATH}` }
  // A group of its own, because the wrapper ends its group when it is done.
  const wrapper = spawn('/bin/sh', ['-c', script], { env, stdio: 'ignore', detached: true })
  expect(await once(wrapper, 'exit')).toEqual([null, 'SIGKILL'])
  expect(readlinkSync(join(dir, 'claim'))).toMatch(/^boot:\d+:Mon_Jan_1_00:00:00_2024$/)
  expect(readlinkSync(join(dir, 'exit'))).toBe('exit:0:0')
})
