// Submitting, asking, ending: what a job goes through when all is well.
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { SchedulerError } from '../../src/adapter.js'
import { type Case, isFinal } from './trial.js'

/** Text that breaks whatever is put together from strings. */
const NASTY = ["it's", '"', '$HOME', '`id`', ';exit 9', 'a\nb', '--', '-n', ' ', '*', '\\', '%s', '\u{1f30a} été']

export const workCases: readonly Case[] = [
  {
    name: 'submit: no jobs, no answers',
    needs: [],
    run: async ({ connect, signal }) => {
      assert.equal((await connect().submit([], signal)).size, 0)
    },
  },
  {
    name: 'submit: a job is accepted and ends as succeeded',
    needs: [],
    run: async ({ connect, request, submit, until, harness }) => {
      const scheduler = connect()
      const [ref] = await submit(scheduler, request(harness.specs.succeeds))
      assert.ok(ref)
      assert.equal((await until(scheduler, ref, 'succeeded')).state, 'succeeded')
    },
  },
  {
    name: 'submit: two jobs are two jobs',
    needs: [],
    run: async ({ connect, request, submit, until, harness }) => {
      const scheduler = connect()
      const [one, two] = await submit(scheduler, request(harness.specs.succeeds), request(harness.specs.fails(4)))
      assert.ok(one && two)
      assert.notEqual(one.nativeId, two.nativeId)
      await until(scheduler, one, 'succeeded')
      await until(scheduler, two, 'failed')
    },
  },
  {
    name: 'submit: many jobs are each accepted, told of by one question, and all succeed',
    needs: [],
    run: async ({ connect, request, submit, until, signal, harness }) => {
      const scheduler = connect()
      const refs = await submit(
        scheduler,
        ...Array.from({ length: harness.many ?? 50 }, () => request(harness.specs.succeeds)),
      )
      assert.equal(new Set(refs.map(({ nativeId }) => nativeId)).size, refs.length, 'two jobs share an id')
      for (const [token, { state }] of await scheduler.status(refs, signal))
        assert.ok(!['failed', 'cancelled'].includes(state ?? ''), `${token} is ${state}`)
      for (const ref of refs) await until(scheduler, ref, 'succeeded')
    },
  },
  {
    name: 'submit: an invalid job among good ones fails alone',
    needs: ['invalid'],
    run: async ({ connect, request, ref, until, signal, harness }) => {
      const scheduler = connect()
      const [before, bad, after] = [harness.specs.succeeds, harness.specs.invalid, harness.specs.succeeds].map((spec) =>
        request(spec),
      )
      assert.ok(before && bad && after)
      const answers = await scheduler.submit([before, bad, after], signal)
      const error = answers.get(bad.token)
      assert.ok(error instanceof SchedulerError, `the invalid job was answered with ${String(error)}`)
      assert.ok(['invalid_job', 'rejected'].includes(error.code), `${error.code} is not final`)
      for (const job of [before, after]) {
        const id = answers.get(job.token)
        assert.ok(typeof id === 'string', `a good job was answered with ${String(id)}`)
        await until(scheduler, ref(job, id), 'succeeded')
      }
    },
  },
  {
    name: 'submit: arguments arrive byte for byte',
    needs: [],
    run: async ({ connect, request, submit, until, harness }) => {
      const scheduler = connect()
      const words = ['', ...NASTY, NASTY.join('')]
      const [ref] = await submit(scheduler, request(harness.specs.prints(words)))
      assert.ok(ref)
      await until(scheduler, ref, 'succeeded')
      assert.equal(Buffer.from(await harness.output(ref)).toString(), words.map((word) => `${word}\0`).join(''))
    },
  },
  {
    name: 'submit: a name may be any text',
    needs: [],
    run: async ({ connect, request, submit, until, harness }) => {
      const scheduler = connect()
      const names = [...NASTY, NASTY.join(''), 'x'.repeat(1000)]
      const refs = await submit(scheduler, ...names.map((name) => request(harness.specs.succeeds, name)))
      for (const ref of refs) await until(scheduler, ref, 'succeeded')
    },
  },
  {
    name: 'submit: a name is carried unchanged or not at all',
    needs: ['nameOf'],
    run: async ({ connect, request, submit, harness }) => {
      const scheduler = connect()
      const refs = await submit(scheduler, ...NASTY.map((name) => request(harness.specs.succeeds, name)))
      for (const [index, name] of NASTY.entries()) {
        const ref = refs[index]
        assert.ok(ref)
        const shown = await harness.nameOf?.(ref)
        assert.ok(shown === undefined || shown === name, `${JSON.stringify(name)} became ${JSON.stringify(shown)}`)
      }
    },
  },
  {
    name: 'status: no jobs, no answers',
    needs: [],
    run: async ({ connect, signal }) => {
      assert.equal((await connect().status([], signal)).size, 0)
    },
  },
  {
    name: 'status: jobs that never were are gaps, alone, among others and in hundreds',
    needs: [],
    run: async ({ connect, request, submit, until, stranger, signal, harness }) => {
      const scheduler = connect()
      assert.equal((await scheduler.status([stranger()], signal)).size, 0)
      const [ref] = await submit(scheduler, request(harness.specs.runs))
      assert.ok(ref)
      await until(scheduler, ref, 'running')
      const crowd = Array.from({ length: 500 }, stranger)
      assert.deepEqual([...(await scheduler.status([...crowd, ref], signal)).keys()], [ref.token])
    },
  },
  {
    name: 'status: a finished job is final or a gap, never alive again',
    needs: [],
    run: async ({ connect, request, submit, until, report, harness }) => {
      const scheduler = connect()
      const [ref] = await submit(scheduler, request(harness.specs.succeeds))
      assert.ok(ref)
      await until(scheduler, ref, 'succeeded')
      for (const asked of [scheduler, scheduler, connect(), connect()]) {
        const again = await report(asked, ref)
        assert.ok(again === undefined || again.state === 'succeeded', `a finished job became ${JSON.stringify(again)}`)
      }
    },
  },
  {
    name: 'status: a failing command is failed, with its exit code',
    needs: [],
    run: async ({ connect, request, submit, until, harness }) => {
      const scheduler = connect()
      for (const exitCode of [1, 4, 42]) {
        const [ref] = await submit(scheduler, request(harness.specs.fails(exitCode)))
        assert.ok(ref)
        assert.equal((await until(scheduler, ref, 'failed')).exitCode, exitCode)
      }
    },
  },
  {
    name: 'status: a running job is running until it is ended, and its times make sense',
    needs: [],
    run: async ({ connect, request, submit, until, report, harness }) => {
      const scheduler = connect()
      const [live, short] = await submit(scheduler, request(harness.specs.runs), request(harness.specs.succeeds))
      assert.ok(live && short)
      const running = await until(scheduler, live, 'running')
      assert.equal(running.endedAt, undefined, 'a running job has no end')
      assert.equal(running.exitCode, undefined, 'a running job has no exit code')
      const { startedAt, endedAt } = await until(scheduler, short, 'succeeded')
      if (startedAt && endedAt)
        assert.ok(startedAt <= endedAt, `it ended (${endedAt}) before it started (${startedAt})`)
      assert.equal((await report(connect(), live))?.state, 'running')
    },
  },
  {
    name: 'cancel: no jobs, no answers; a live job ends as cancelled',
    needs: [],
    run: async ({ connect, request, submit, until, signal, harness }) => {
      const scheduler = connect()
      assert.equal((await scheduler.cancel([], signal)).size, 0)
      const [ref] = await submit(scheduler, request(harness.specs.runs))
      assert.ok(ref)
      await until(scheduler, ref, 'running')
      assert.equal((await scheduler.cancel([ref], signal)).get(ref.token), 'ok')
      await until(scheduler, ref, 'cancelled')
    },
  },
  {
    name: 'cancel: live, finished and absent jobs in one call, twice, are all ok; what had finished stays',
    needs: [],
    run: async ({ connect, request, submit, until, report, stranger, signal, harness }) => {
      const scheduler = connect()
      const [live, done] = await submit(scheduler, request(harness.specs.runs), request(harness.specs.succeeds))
      assert.ok(live && done)
      await until(scheduler, done, 'succeeded')
      const all = [live, done, stranger()]
      for (let time = 1; time <= 2; time++) {
        const answers = await scheduler.cancel(all, signal)
        assert.deepEqual(
          all.map(({ token }) => answers.get(token)),
          ['ok', 'ok', 'ok'],
          `cancel, time ${time}`,
        )
      }
      await until(scheduler, live, 'cancelled')
      const later = await report(scheduler, done)
      assert.ok(later === undefined || later.state === 'succeeded', `a finished job became ${JSON.stringify(later)}`)
      assert.equal((await scheduler.cancel([live], signal)).get(live.token), 'ok', 'cancelling what is cancelled')
    },
  },
  {
    name: 'hold and release: a held job is held or suspended, a released one goes on',
    needs: ['hold', 'release'],
    run: async ({ connect, request, submit, until, signal, harness }) => {
      const scheduler = connect()
      const [ref] = await submit(scheduler, request(harness.specs.runs))
      assert.ok(ref)
      await until(scheduler, ref, 'running')
      assert.equal((await scheduler.hold?.([ref], signal))?.get(ref.token), 'ok')
      await until(scheduler, ref, 'held', 'suspended')
      assert.equal((await scheduler.release?.([ref], signal))?.get(ref.token), 'ok')
      await until(scheduler, ref, 'running')
    },
  },
  {
    name: 'history: a finished job is final or a gap, a job that never was is a gap',
    needs: ['history'],
    run: async ({ connect, request, submit, until, stranger, signal, harness }) => {
      const scheduler = connect()
      const [ref] = await submit(scheduler, request(harness.specs.fails(4)))
      assert.ok(ref)
      await until(scheduler, ref, 'failed')
      const never = stranger()
      const told = await scheduler.history?.([ref, never], signal)
      assert.equal(told?.has(never.token), false)
      const report = told?.get(ref.token)
      assert.ok(report === undefined || report.state === 'failed', `it remembers ${JSON.stringify(report)}`)
    },
  },
  {
    name: 'recover: finds what was submitted, over another connection',
    needs: ['recover'],
    run: async ({ connect, request, submit, signal, harness }) => {
      const requests = [request(harness.specs.runs), request(harness.specs.succeeds)]
      const first = connect()
      const refs = await submit(first, ...requests)
      await first.close()
      const second = connect()
      const deadline = performance.now() + (harness.patience ?? 30_000)
      for (const [index, { token, jobType, workdir }] of requests.entries()) {
        const attempt = { token, jobType, workdir, handedOverAt: new Date() }
        let found: string | undefined
        while (found === undefined && performance.now() < deadline) {
          found = (await second.recover?.([attempt], signal))?.get(token)
          if (found === undefined) await sleep(200)
        }
        assert.equal(found, refs[index]?.nativeId)
      }
    },
  },
  {
    name: 'recover: a token that was never used has no id, and absent stays absent',
    needs: ['recover'],
    run: async ({ connect, stranger, signal }) => {
      const scheduler = connect()
      assert.equal((await scheduler.recover?.([], signal))?.size, 0)
      const { token, jobType, workdir } = stranger()
      const attempt = { token, jobType, workdir, handedOverAt: new Date() }
      const said: (string | undefined)[] = []
      for (const asked of [scheduler, scheduler, connect()])
        said.push((await asked.recover?.([attempt], signal))?.get(token))
      for (const answer of said) assert.ok(answer === undefined || answer === 'absent', `it is said to be ${answer}`)
      const first = said.indexOf('absent')
      if (first >= 0)
        assert.ok(
          said.slice(first).every((answer) => answer === 'absent'),
          'absent is a promise for ever',
        )
    },
  },
  {
    name: 'cleanUp: may be repeated, and the job is final or a gap afterwards',
    needs: ['cleanUp'],
    run: async ({ connect, request, submit, until, report, signal, harness }) => {
      const scheduler = connect()
      const [ref] = await submit(scheduler, request(harness.specs.succeeds))
      assert.ok(ref)
      await until(scheduler, ref, 'succeeded')
      for (let time = 1; time <= 2; time++)
        assert.equal((await scheduler.cleanUp?.([ref], signal))?.get(ref.token), 'ok', `cleanUp, time ${time}`)
      const later = await report(scheduler, ref)
      assert.ok(later === undefined || isFinal(later), `it became ${JSON.stringify(later)}`)
    },
  },
]
