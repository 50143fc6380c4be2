// How an adapter behaves whatever the system does: definition, connecting, closing, aborting.
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { JobRef, Scheduler, SubmitRequest } from '../../src/adapter.js'
import { type Case, endsWithin } from './trial.js'

/** Names that every job has; a spec may not use them. */
const RESERVED = [
  'name',
  'user',
  'jobType',
  'description',
  'groups',
  'scheduler',
  'extendedProperties',
  'processResults',
  'parents',
  'onParentFailure',
  'after',
  'tags',
  'workspace',
]

type Call = readonly [method: string, call: (scheduler: Scheduler, signal: AbortSignal) => Promise<unknown>]

/** Every method that the scheduler has, with something to ask. */
export const everyCall = (
  scheduler: Scheduler,
  job: JobRef,
  into: string,
  submission: () => SubmitRequest,
): readonly Call[] => {
  const attempt = { ...job, handedOverAt: new Date() }
  const log = { name: 'stdout', size: 0 }
  const calls: readonly Call[] = [
    ['submit', (to, signal) => to.submit([submission()], signal)],
    ['status', (to, signal) => to.status([job], signal)],
    ['history', async (to, signal) => await to.history?.([job], signal)],
    ['recover', async (to, signal) => await to.recover?.([attempt], signal)],
    ['hold', async (to, signal) => await to.hold?.([job], signal)],
    ['release', async (to, signal) => await to.release?.([job], signal)],
    ['listLogs', async (to, signal) => await to.listLogs?.(job, signal)],
    ['readLog', async (to, signal) => await to.readLog?.(job, log, 0, 10, signal)],
    ['fetch', async (to, signal) => await to.fetch?.(job, into, signal)],
    ['result', async (to, signal) => await to.result?.(job, signal)],
    ['ping', async (to, signal) => await to.ping?.(signal)],
    ['info', async (to, signal) => await to.info?.(signal)],
    ['cancel', (to, signal) => to.cancel([job], signal)],
    ['cleanUp', async (to, signal) => await to.cleanUp?.([job], signal)],
  ]
  return calls.filter(([method]) => scheduler[method as keyof Scheduler] !== undefined)
}

export const mannerCases: readonly Case[] = [
  {
    name: 'definition: secrets are fields, specs are JSON without reserved names, defaults are usable',
    needs: [],
    run: async ({ adapter, harness }) => {
      assert.match(adapter.type, /^[a-z][a-z0-9-]*$/)
      const config = adapter.config.parse(harness.config)
      assert.ok(typeof config === 'object' && config !== null)
      for (const secret of adapter.secrets) assert.ok(secret in config, `the record of the harness has no "${secret}"`)
      const { prints, fails, succeeds, runs } = harness.specs
      for (const spec of [succeeds, runs, fails(4), prints(['a'])]) {
        const output = adapter.specs[harness.jobType]?.parse(spec)
        assert.deepEqual(JSON.parse(JSON.stringify(output)), output, 'what a spec gives is stored as JSON')
        for (const name of RESERVED) assert.ok(!(name in Object(output)), `the spec uses the reserved name "${name}"`)
      }
      for (const [alias, type] of Object.entries(adapter.aliases ?? {}))
        assert.ok(type in adapter.specs, `the alias ${alias} leads to ${type}, which is no job type`)
      const { pollSeconds, maxIdsPerPoll, maxSubmitsPerMinute, maxActiveJobs = 1 } = adapter.defaults
      for (const number of [pollSeconds, maxIdsPerPoll, maxSubmitsPerMinute, maxActiveJobs]) assert.ok(number > 0)
    },
  },
  {
    name: 'connect: asks nothing of anybody',
    needs: [],
    run: async ({ connect, asked }) => {
      const scheduler = connect()
      await sleep(50) // what it might have begun in the background
      assert.equal(asked.count, 0, 'connect() used its transport or fetch')
      await scheduler.close()
    },
  },
  {
    name: 'close: may be repeated, and leaves the jobs alone',
    needs: [],
    run: async ({ connect, request, submit, until, report, harness }) => {
      const scheduler = connect()
      const [ref] = await submit(scheduler, request(harness.specs.runs))
      assert.ok(ref)
      await until(scheduler, ref, 'running')
      await scheduler.close()
      await scheduler.close()
      assert.equal((await report(connect(), ref))?.state, 'running')
    },
  },
  {
    name: 'ping: tells of a version, if any, in words',
    needs: ['ping'],
    run: async ({ connect, signal }) => {
      const answer = await connect().ping?.(signal)
      assert.ok(answer, 'ping() answers an object')
      assert.ok(answer.version === undefined || /\S/.test(answer.version), 'an empty version')
    },
  },
  {
    name: 'info: labels and values are texts',
    needs: ['info'],
    run: async ({ connect, signal }) => {
      const lines = await connect().info?.(signal)
      assert.ok(Array.isArray(lines))
      for (const { label, value } of lines)
        assert.ok(typeof label === 'string' && label && typeof value === 'string', 'a line without label or value')
    },
  },
  {
    name: 'abort: every call ends within a second, before it began or in its midst',
    needs: [],
    run: async ({ connect, request, submit, until, scratch, harness }) => {
      const scheduler = connect()
      const [ref] = await submit(scheduler, request(harness.specs.runs))
      assert.ok(ref)
      await until(scheduler, ref, 'running')
      const submission = () => request(harness.specs.succeeds)
      for (const [method, call] of everyCall(scheduler, ref, scratch, submission)) {
        await endsWithin(method, 1000, call(connect(), AbortSignal.abort()))
        for (const delay of [0, 10]) {
          const controller = new AbortController()
          const running = call(connect(), controller.signal)
          running.catch(() => {}) // looked at below
          await sleep(delay)
          controller.abort()
          await endsWithin(method, 1000, running)
        }
      }
    },
  },
  {
    name: 'abort: an aborted submit is truthful: what it took is there, what it did not try never comes',
    needs: ['recover'],
    run: async ({ connect, request, ref, until, report, signal, harness }) => {
      for (const delay of [0, 5, 20, 60]) {
        const jobs = Array.from({ length: 10 }, () => request(harness.specs.succeeds))
        const controller = new AbortController()
        const submitting = connect().submit(jobs, controller.signal)
        const answered = submitting.catch(() => new Map<string, unknown>())
        await sleep(delay)
        controller.abort()
        const answers = await answered
        const scheduler = connect()
        const attempts = jobs.map(({ token, jobType, workdir }) => ({
          token,
          jobType,
          workdir,
          handedOverAt: new Date(),
        }))
        const found = await scheduler.recover?.(attempts, signal)
        for (const job of jobs) {
          const [answer, verdict] = [answers.get(job.token), found?.get(job.token)]
          if (typeof answer === 'string') {
            assert.ok(verdict === undefined || verdict === answer, `accepted as ${answer}, but recover says ${verdict}`)
            await until(scheduler, ref(job, answer), 'succeeded')
          } else if (verdict === 'absent') {
            const told = await report(scheduler, ref(job, 'telesto-never-was'))
            assert.equal(told, undefined, 'recover said absent, and status knows the job')
          } else if (verdict !== undefined) await until(scheduler, ref(job, verdict), 'succeeded')
        }
      }
    },
  },
]
