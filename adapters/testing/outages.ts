// The way to the system breaks, or the system talks nonsense: no job may change by that.
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { SchedulerError } from '../../src/adapter.js'
import { everyCall } from './manners.js'
import { type Case, endsWithin, outcome } from './trial.js'

export const outageCases: readonly Case[] = [
  {
    name: 'link cut: every method says unavailable, and afterwards the job is what it was',
    needs: ['cut'],
    run: async ({ connect, request, submit, until, report, scratch, harness }) => {
      const scheduler = connect()
      const [ref] = await submit(scheduler, request(harness.specs.runs))
      assert.ok(ref)
      await until(scheduler, ref, 'running')
      await harness.link?.cut?.()
      const fresh = connect()
      for (const connection of [scheduler, fresh])
        for (const [method, call] of everyCall(connection, ref, scratch, () => request(harness.specs.succeeds)))
          assert.equal(await outcome(call(connection, AbortSignal.timeout(30_000))), 'unavailable', `${method}()`)
      await harness.link?.heal()
      assert.equal((await report(connect(), ref))?.state, 'running')
    },
  },
  {
    name: 'link hung: every method ends with its signal, as unavailable',
    needs: ['hang'],
    run: async ({ connect, request, submit, until, report, scratch, harness }) => {
      const scheduler = connect()
      const [ref] = await submit(scheduler, request(harness.specs.runs))
      assert.ok(ref)
      await until(scheduler, ref, 'running')
      await harness.link?.hang?.()
      const calls = everyCall(scheduler, ref, scratch, () => request(harness.specs.succeeds))
      await Promise.all(
        calls.map(async ([method, call]) => {
          const ended = await endsWithin(method, 1500, call(scheduler, AbortSignal.timeout(500)))
          // A submit may say instead that it tried none, by an empty answer.
          assert.ok(
            ended === 'unavailable' || (method === 'submit' && ended === 'answered'),
            `${method}() gave ${ended}`,
          )
        }),
      )
      await harness.link?.heal()
      assert.equal((await report(connect(), ref))?.state, 'running')
    },
  },
  {
    name: 'garbage: an answer that means nothing is a protocol error, and no news of the job',
    needs: ['garble'],
    run: async ({ connect, request, submit, until, report, signal, harness }) => {
      const scheduler = connect()
      const [ref] = await submit(scheduler, request(harness.specs.runs))
      assert.ok(ref)
      await until(scheduler, ref, 'running')
      await harness.link?.garble?.()
      assert.equal(await outcome(connect().status([ref], signal)), 'protocol')
      await harness.link?.heal()
      assert.equal((await report(connect(), ref))?.state, 'running')
    },
  },
  {
    name: 'chatter: a banner around the answer is not an answer',
    needs: ['chatter'],
    run: async ({ connect, request, submit, until, harness }) => {
      await harness.link?.chatter?.()
      const scheduler = connect()
      const [good, bad] = await submit(scheduler, request(harness.specs.succeeds), request(harness.specs.fails(4)))
      assert.ok(good && bad)
      await until(scheduler, good, 'succeeded')
      assert.equal((await until(scheduler, bad, 'failed')).exitCode, 4)
    },
  },
  {
    name: 'wrong credentials: auth from every method',
    needs: ['wrongCredentials'],
    run: async ({ connect, request, submit, until, scratch, harness }) => {
      const [ref] = await submit(connect(), request(harness.specs.runs))
      assert.ok(ref)
      await until(connect(), ref, 'running')
      const stranger = connect(harness.wrongCredentials)
      for (const [method, call] of everyCall(stranger, ref, scratch, () => request(harness.specs.succeeds)))
        assert.equal(await outcome(call(stranger, AbortSignal.timeout(30_000))), 'auth', `${method}()`)
    },
  },
  {
    name: 'link cut within submit: what was accepted is answered, and recover tells of the rest',
    needs: ['cutAfterSubmits', 'recover'],
    run: async ({ connect, request, ref, until, signal, harness }) => {
      const jobs = Array.from({ length: 5 }, () => request(harness.specs.succeeds))
      await harness.link?.cutAfterSubmits?.(2)
      const answers = await connect()
        .submit(jobs, signal)
        .catch(() => new Map<string, unknown>())
      for (const [token, answer] of answers)
        if (answer instanceof SchedulerError)
          assert.ok(!['invalid_job', 'rejected'].includes(answer.code), `${token}: an outage is not final`)
      await harness.link?.heal()
      const scheduler = connect()
      const deadline = performance.now() + (harness.patience ?? 30_000)
      let present = 0
      for (const job of jobs) {
        const attempt = { token: job.token, jobType: job.jobType, workdir: job.workdir, handedOverAt: new Date() }
        let verdict: string | undefined
        while (verdict === undefined && performance.now() < deadline) {
          verdict = (await scheduler.recover?.([attempt], signal))?.get(job.token)
          if (verdict === undefined) await sleep(200)
        }
        assert.ok(verdict !== undefined, 'recover() could not tell in all that time')
        const answer = answers.get(job.token)
        if (typeof answer === 'string') assert.equal(verdict, answer)
        if (verdict === 'absent') continue
        present++
        await until(scheduler, ref(job, verdict), 'succeeded')
      }
      const told = [...answers.values()].filter((answer) => typeof answer === 'string').length
      assert.ok(told >= 1 && present >= told, `of 2 accepted jobs, ${told} were answered and ${present} found`)
    },
  },
]
