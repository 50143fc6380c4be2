import { getEventListeners } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { SFTPWrapper, Stats } from 'ssh2'
import { expect, onTestFinished, test } from 'vitest'
import { SchedulerError } from '../../src/adapter.js'
import { sftpSession } from '../../src/transport/sftp-session.js'
import { type SshConnection, until } from '../../src/transport/ssh-connection.js'
import { sshFiles } from '../../src/transport/ssh-files.js'
import { PIECE } from '../../src/transport/transfer.js'

// Faults that a real host does not produce on demand; everything else is tested with one (test/systems/ssh*.test.ts).

const never = new AbortController().signal

/** A connection whose sessions of SFTP are these, one after the other. */
const connectionOf = (sessions: readonly { sftp: Partial<SFTPWrapper>; lost?: AbortSignal }[]): SshConnection => {
  const left = [...sessions]
  return {
    place: 'host:22',
    using: async (action) => await action(),
    onWanted: () => {},
    close: async () => {},
    channel: async () => {
      const { sftp, lost = never } = left.shift() as (typeof sessions)[number]
      const listening = { on: () => {}, end: () => {} }
      return { channel: { ...listening, ...sftp } as never, lost }
    },
  }
}

const files = (...sessions: readonly { sftp: Partial<SFTPWrapper>; lost?: AbortSignal }[]) =>
  sshFiles(sftpSession(connectionOf(sessions), 60, never))

test('A session whose connection was lost in the very moment in which it was opened is not used for ever', async () => {
  const lost = AbortSignal.abort(new SchedulerError('unavailable', 'The connection to host:22 was lost.'))
  const readdir = ((_path: string, done: (error: undefined, list: unknown[]) => void) => {
    done(undefined, [])
  }) as SFTPWrapper['readdir']
  const { list } = files({ sftp: { readdir }, lost }, { sftp: { readdir } })
  await expect(list('/d')).rejects.toThrow('was lost')
  expect(await list('/d')).toEqual([])
})

/** A file that grows by two pieces while its end is being read. */
const growing = (): Partial<SFTPWrapper> => {
  const whole = Buffer.from(Array.from({ length: 5 * PIECE }, (_, at) => 1 + (Math.floor(at / 1000) % 255)))
  let size = PIECE + 10
  const read = (
    _handle: Buffer,
    into: Buffer,
    offset: number,
    length: number,
    at: number,
    done: (error: undefined, count: number) => void,
  ) => {
    const count = Math.max(0, Math.min(length, size - at))
    if (count > 0) whole.copy(into, offset, at, at + count)
    else size = 4 * PIECE + 10
    setImmediate(() => done(undefined, count))
  }
  return {
    stat: ((_path: string, done: (error: undefined, stats: Stats) => void) =>
      done(undefined, { isFile: () => true, mode: 0o100644 } as Stats)) as SFTPWrapper['stat'],
    open: ((_path: string, _flags: string, done: (error: undefined, handle: Buffer) => void) =>
      done(undefined, Buffer.from('h'))) as SFTPWrapper['open'],
    read: read as never,
    close: ((_handle: Buffer, done: (error: undefined) => void) => done(undefined)) as SFTPWrapper['close'],
  }
}

test('What is read of a file that grows has no hole: it ends where the file once ended', async () => {
  const directory = await mkdtemp(path.join(tmpdir(), 'telesto-growing-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  const copy = path.join(directory, 'copy')
  await files({ sftp: growing() }).get('/log', copy)
  const seen = Buffer.from((await files({ sftp: growing() }).read('/log')) ?? [])
  for (const bytes of [seen, readFileSync(copy)]) {
    expect(bytes.length).toBeGreaterThan(PIECE)
    const wrong = bytes.findIndex((byte, at) => byte !== 1 + (Math.floor(at / 1000) % 255))
    expect(wrong).toBe(-1)
  }
})

test('Who no longer waits for a channel has left nothing behind on the connection', async () => {
  const [call, connection] = [new AbortController(), new AbortController()]
  const waiting = until(new Promise(() => {}), call.signal, connection.signal)
  call.abort(new Error('stopped'))
  await expect(waiting).rejects.toThrow('stopped')
  expect(getEventListeners(connection.signal, 'abort')).toEqual([])
})
