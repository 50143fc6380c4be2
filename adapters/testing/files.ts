// What a job leaves behind: its logs while it runs and after, and its results.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { isAbsolute, join, relative } from 'node:path'
import type { JobRef, LogName, LogWindow, Scheduler } from '../../src/adapter.js'
import type { Case } from './trial.js'

/** All of a log, read in small windows as a page does: of a long one in some hundreds. */
const readAll = async (scheduler: Scheduler, job: JobRef, log: LogName, signal: AbortSignal): Promise<Buffer> => {
  const parts: Uint8Array[] = []
  const bytes = Math.max(7, Math.ceil(log.size / 300))
  let from = 0
  for (let window = 0; window < Math.max(1000, log.size); window++) {
    const found = await scheduler.readLog?.(job, log, from, bytes, signal)
    assert.ok(found)
    assert.ok(found.bytes.byteLength <= bytes, `asked for ${bytes} bytes, got ${found.bytes.byteLength}`)
    assert.equal(found.next, from + found.bytes.byteLength, 'next is the offset after what was read')
    parts.push(found.bytes)
    if (found.end) return Buffer.concat(parts)
    assert.ok(found.next > from, `${log.name} of a finished job has neither more bytes nor an end`)
    from = found.next
  }
  return assert.fail('the log has no end')
}

export const fileCases: readonly Case[] = [
  {
    name: 'logs: windows put together are what the job printed, with an end',
    needs: ['listLogs', 'readLog'],
    run: async ({ connect, request, submit, until, signal, harness }) => {
      const scheduler = connect()
      const [ref] = await submit(scheduler, request(harness.specs.prints(['one', 'deux é', '\u{1f30a}'])))
      assert.ok(ref)
      await until(scheduler, ref, 'succeeded')
      const printed = Buffer.from(await harness.output(ref))
      const logs = (await scheduler.listLogs?.(ref, signal)) ?? []
      const texts: Buffer[] = []
      for (const log of logs) {
        const text = await readAll(scheduler, ref, log, signal)
        assert.equal(log.size, text.byteLength, `the size of ${log.name}`)
        texts.push(text)
      }
      assert.ok(
        texts.some((text) => text.equals(printed)),
        'no log holds what the job printed',
      )
    },
  },
  {
    name: 'logs: past the end there is nothing, and no error',
    needs: ['listLogs', 'readLog'],
    run: async ({ connect, request, submit, until, signal, harness }) => {
      const scheduler = connect()
      const [ref] = await submit(scheduler, request(harness.specs.prints(['word'])))
      assert.ok(ref)
      await until(scheduler, ref, 'succeeded')
      const logs = (await scheduler.listLogs?.(ref, signal)) ?? []
      assert.ok(logs.length > 0, 'a job that printed has a log')
      for (const log of logs) {
        const window: LogWindow | undefined = await scheduler.readLog?.(ref, log, log.size + 1000, 100, signal)
        assert.equal(window?.bytes.byteLength, 0)
        assert.equal(window?.next, log.size, 'next is the size, so that the reader finds back')
      }
    },
  },
  {
    name: 'logs: the log of a running job has no end yet',
    needs: ['listLogs', 'readLog'],
    run: async ({ connect, request, submit, until, signal, harness }) => {
      const scheduler = connect()
      const [ref] = await submit(scheduler, request(harness.specs.runs))
      assert.ok(ref)
      await until(scheduler, ref, 'running')
      for (const log of (await scheduler.listLogs?.(ref, signal)) ?? [])
        assert.equal(
          (await scheduler.readLog?.(ref, log, log.size, 100, signal))?.end,
          false,
          `${log.name} is not over`,
        )
    },
  },
  {
    name: 'fetch: brings files into the directory and may be repeated',
    needs: ['fetch'],
    run: async ({ connect, request, submit, until, signal, scratch, harness }) => {
      const scheduler = connect()
      const [ref] = await submit(scheduler, request(harness.specs.prints(['word'])))
      assert.ok(ref)
      await until(scheduler, ref, 'succeeded')
      const first = (await scheduler.fetch?.(ref, scratch, signal)) ?? []
      const second = (await scheduler.fetch?.(ref, scratch, signal)) ?? []
      assert.deepEqual([...second].sort(), [...first].sort())
      for (const path of first) {
        const inside = relative(scratch, isAbsolute(path) ? path : join(scratch, path))
        assert.ok(!inside.startsWith('..') && !isAbsolute(inside), `${path} is outside of the directory`)
        assert.ok(existsSync(join(scratch, inside)), `${path} was not written`)
      }
    },
  },
]
