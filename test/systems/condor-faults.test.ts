// What goes wrong with a pool, and what the adapter says of it then: here and over SSH.
import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { condor } from '../../adapters/condor.js'
import {
  type Adapter,
  type ExecOptions,
  type JobRef,
  SchedulerError,
  type SubmitRequest,
  type Transport,
} from '../../src/adapter.js'
import { localTransport } from '../../src/transport/local.js'
import { sshTransport } from '../../src/transport/ssh.js'
import { pool, shims, sshTarget, withShims } from './condor-pool.js'

const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
const signal = () => AbortSignal.timeout(60_000)
const folder = mkdtempSync(join(tmpdir(), 'telesto-faults-'))
const codeOf = (answer: unknown): unknown => (answer instanceof SchedulerError ? answer.code : answer)
/** What a call that throws says. */
const thrown = async (call: Promise<unknown>): Promise<SchedulerError> => {
  const error = await call.then(
    (answer) => answer,
    (reason: unknown) => reason,
  )
  if (error instanceof SchedulerError) return error
  throw new Error(`It answered ${JSON.stringify(error)}`)
}
/** How many procs the queue and the history know of each. */
const procsOf = (tokens: readonly string[]): number[] => {
  const constraint = `member(TelestoToken, {${tokens.map((token) => `"${token}"`).join(',')}})`
  const known = ['condor_q', 'condor_history'].flatMap((command) =>
    pool(command, '-constraint', constraint, '-af', 'TelestoToken').trim().split('\n'),
  )
  return tokens.map((token) => known.filter((one) => one === token).length)
}

const places = { here: localTransport(), 'over SSH': sshTransport(sshTarget()) }
const jobs: JobRef[] = []
afterEach(async () => {
  if (jobs.length > 0) await connect(places.here).cancel(jobs.splice(0), signal())
})
afterAll(async () => {
  for (const transport of Object.values(places)) await transport.close()
  rmSync(folder, { recursive: true, force: true })
})

const adapter: Adapter = condor
const connect = (transport: Transport) =>
  adapter.connect(condor.config.parse({}), { log: quiet, now: () => new Date(), transport, fetch: globalThis.fetch })
const request = (spec: object, inputRoots: readonly string[] = []): SubmitRequest => {
  const token = randomUUID()
  const workdir = join(folder, token)
  return { jobType: 'CONDOR', token, name: 'a job', spec: condor.specs.CONDOR.parse(spec), workdir, inputRoots }
}
const attemptOf = ({ token, jobType, workdir }: SubmitRequest) => ({
  token,
  jobType,
  workdir,
  handedOverAt: new Date(),
})
const refOf = (job: SubmitRequest, nativeId: unknown): JobRef => {
  if (typeof nativeId !== 'string') throw new Error(`It was answered with ${String(nativeId)}`)
  const ref = { token: job.token, jobType: job.jobType, workdir: job.workdir, nativeId }
  jobs.push(ref)
  return ref
}
const SLEEPS = { executable: '/bin/sleep', arguments: ['600'] }

describe.each(Object.entries(places))('%s', (_, transport) => {
  /** The same, with other options for each command. */
  const through = (change: (options?: ExecOptions) => ExecOptions): Transport => ({
    ...transport,
    exec: (argv, options) => transport.exec(argv, change(options)),
  })
  const withFolder = (path: string): Transport =>
    through((options) => ({ ...options, env: { ...options?.env, ...withShims(path) } }))

  test.for([
    ['all of it', 'condor_submit "$@"'],
    ['a part of it', 'head -n 2 | condor_submit "$@"'],
  ])('condor_submit prints an error after it had submitted %s: each job is there once', async ([, does]) => {
    const once = `if [ -e "$0.done" ]; then exec condor_submit "$@"; fi; : >"$0.done"`
    const broken = shims({ condor_submit: `${once}; ${does} >/dev/null; echo 'ERROR: Failed to commit' >&2; exit 1` })
    const five = Array.from({ length: 5 }, () => request(SLEEPS))
    const answers = await connect(withFolder(broken)).submit(five, signal())
    for (const job of five) refOf(job, answers.get(job.token))
    expect(procsOf(five.map(({ token }) => token))).toEqual([1, 1, 1, 1, 1])
  })

  test('condor_submit loses the schedd in its midst: what was taken is told, of the rest recover() says absent', async () => {
    const lost = shims({
      condor_submit: `head -n 2 | condor_submit "$@"; echo 'ERROR: Failed to connect to local queue manager' >&2; exit 1`,
    })
    const five = Array.from({ length: 5 }, () => request(SLEEPS))
    const answers = await connect(withFolder(lost)).submit(five, signal())
    const said = five.map(({ token }) => answers.get(token))
    const taken = five.filter((_job, index) => typeof said[index] === 'string')
    for (const job of taken) refOf(job, answers.get(job.token))
    expect(taken).toHaveLength(2)
    expect(said.slice(2).map(codeOf)).toEqual(['unavailable', 'unavailable', 'unavailable'])
    const found = await connect(transport).recover?.(five.map(attemptOf), signal())
    expect(five.map(({ token }) => found?.get(token))).toEqual([...said.slice(0, 2), 'absent', 'absent', 'absent'])
  })

  test('an executable that is missing, not executable or a folder fails its job alone, and the words name it', async () => {
    const root = join(folder, randomUUID())
    mkdirSync(join(root, 'folder'), { recursive: true })
    writeFileSync(join(root, 'plain'), '#!/bin/sh\n', { mode: 0o644 })
    writeFileSync(join(root, 'good'), '#!/bin/sh\nsleep 600\n')
    chmodSync(join(root, 'good'), 0o755)
    const bad = ['missing', 'plain', 'folder'].map((executable) => request({ executable }, [root]))
    const gone = request({ executable: '/nowhere/program' })
    const good = [request({ executable: 'good' }, [root]), request({ executable: 'good' }, [root])]
    const [first, second] = good
    if (!first || !second) throw new Error('two jobs')
    const answers = await connect(transport).submit([first, ...bad, gone, second], signal())
    for (const job of good) refOf(job, answers.get(job.token))
    for (const job of [...bad, gone]) {
      const answer = answers.get(job.token)
      expect(codeOf(answer)).toBe('invalid_job')
      expect(String(answer)).toContain((job.spec as { executable: string }).executable)
    }
  })

  test('an input file that is missing, leads out by ".." or is a pipe fails its job alone, and the words name it', async () => {
    const root = join(folder, randomUUID())
    mkdirSync(root)
    for (const name of ['a b.csv', 'ä "x" $(y)\\.csv']) writeFileSync(join(root, name), '')
    writeFileSync(join(folder, 'outside'), '')
    execFileSync('mkfifo', [join(root, 'pipe')])
    const bad = ['missing.csv', '../outside', 'pipe'].map((name) =>
      request({ ...SLEEPS, remoteInputFiles: ['a b.csv', name] }, [root]),
    )
    const good = request({ ...SLEEPS, remoteInputFiles: ['a b.csv', 'ä "x" $(y)\\.csv'] }, [root])
    const answers = await connect(transport).submit([...bad, good], signal())
    refOf(good, answers.get(good.token))
    for (const job of bad) {
      expect(codeOf(answers.get(job.token))).toBe('invalid_job')
      expect(String(answers.get(job.token))).toContain((job.spec as { remoteInputFiles: string[] }).remoteInputFiles[1])
      expect(existsSync(job.workdir)).toBe(false)
    }
    expect(procsOf(bad.map(({ token }) => token))).toEqual([0, 0, 0])
  })

  test('one job of many that condor_submit refuses is found, and all others are submitted', async () => {
    const many = Array.from({ length: 40 }, (_, index) =>
      request({ ...SLEEPS, requirements: index === 13 || index === 30 ? '((' : 'true', attributes: { hold: true } }),
    )
    const answers = await connect(transport).submit(many, signal())
    const refused = many.filter(({ token }) => answers.get(token) instanceof SchedulerError)
    for (const job of many) if (!refused.includes(job)) refOf(job, answers.get(job.token))
    expect(refused).toEqual([many[13], many[30]])
    for (const { token } of refused) expect(String(answers.get(token))).toContain('Parse error')
  })

  test('the disk there is full: nothing is submitted, the words say so, and later all can be submitted', async () => {
    const full = join(folder, randomUUID())
    mkdirSync(full)
    const small = `mkdir -p "$1" && mount -t tmpfs -o size=64k tmpfs "$1" && shift && exec "$@"`
    const tiny: Transport = {
      ...transport,
      exec: (argv, options) =>
        transport.exec(
          ['unshare', '--user', '--map-root-user', '--mount', 'sh', '-c', small, 'sh', full, ...argv],
          options,
        ),
    }
    const root = join(folder, randomUUID())
    mkdirSync(root)
    writeFileSync(join(root, 'data'), Buffer.alloc(200_000, 1))
    const job = { ...request({ ...SLEEPS, remoteInputFiles: ['data'] }, [root]) }
    const there = { ...job, workdir: join(full, job.token) }
    const error = await thrown(connect(tiny).submit([there], signal()))
    expect(error).toMatchObject({ code: 'unavailable' })
    expect(error.message).toContain('No space left on device')
    expect(procsOf([job.token])).toEqual([0])
    const found = await connect(transport).recover?.([attemptOf(there)], signal())
    expect(found?.get(job.token)).toBe('absent')
  })

  test('garbage from condor_q is no news of a job', async () => {
    const [job] = [request(SLEEPS)]
    const ref = refOf(job, (await connect(transport).submit([job], signal())).get(job.token))
    for (const text of ['{"a": [', '<html>', '[{"ClusterId": "1"}]', '[1]', '{}']) {
      const garbage = shims({ condor_q: `printf '%s' '${text}'`, condor_history: `printf '%s' '${text}'` })
      const scheduler = connect(withFolder(garbage))
      expect(await thrown(scheduler.status([ref], signal()))).toMatchObject({ code: 'protocol' })
      expect(await thrown(scheduler.history?.([ref], signal()) ?? Promise.resolve())).toMatchObject({
        code: 'protocol',
      })
    }
  })

  test('two batches and two recover() race for a claim: the job is there once, or never', async () => {
    for (let round = 0; round < 6; round++) {
      const job = request(SLEEPS)
      const pause = async (ms: number) => await sleep(ms)
      const recover = async (ms: number) => {
        await pause(ms)
        return (await connect(transport).recover?.([attemptOf(job)], signal()))?.get(job.token)
      }
      const submit = async () =>
        (
          await connect(transport)
            .submit([job], signal())
            .catch((error: unknown) => new Map([[job.token, error]]))
        ).get(job.token)
      const [one, two, early, late] = await Promise.all([
        submit(),
        submit(),
        recover(round * 4),
        recover(40 + round * 20),
      ])
      const verdict = (await connect(transport).recover?.([attemptOf(job)], signal()))?.get(job.token)
      const [count] = procsOf([job.token])
      const told = JSON.stringify({ one: codeOf(one), two: codeOf(two), early, late, verdict, count })
      if (verdict !== 'absent' && verdict !== undefined) refOf(job, verdict)
      expect(count, told).toBe(verdict === 'absent' ? 0 : 1)
      for (const answer of [one, two]) if (typeof answer === 'string') expect(answer, told).toBe(verdict)
      for (const answer of [early, late]) if (answer !== undefined) expect(answer, told).toBe(verdict)
    }
  })

  test('a claim that recover() has taken is never submitted, and others of the batch are', async () => {
    const [plain, other] = [request(SLEEPS), request(SLEEPS)]
    const given = { ...plain, workdir: join(folder, `it's [a] "*" \\x é`, plain.token) }
    expect((await connect(transport).recover?.([attemptOf(given)], signal()))?.get(given.token)).toBe('absent')
    const answers = await connect(transport).submit([given, other], signal())
    refOf(other, answers.get(other.token))
    expect(answers.has(given.token)).toBe(false)
    expect(procsOf([given.token, other.token])).toEqual([0, 1])
    expect(readdirSync(given.workdir)).toEqual(['.telesto'])
    expect(readdirSync(join(given.workdir, '.telesto'))).toEqual([`claim-${given.token}`])
    // The promise outlives the removal of the directory.
    expect((await connect(transport).cleanUp?.([refOf(given, '1.0')], signal()))?.get(given.token)).toBe('ok')
    expect((await connect(transport).submit([given], signal())).size).toBe(0)
  })

  test('a batch whose condor_submit still runs is not over, whoever else has gone', async () => {
    const slow = shims({ condor_submit: 'sleep 4; exec condor_submit "$@"' })
    const job = request(SLEEPS)
    const aborted = new AbortController()
    const submitting = connect(withFolder(slow)).submit([job], aborted.signal)
    submitting.catch(() => {})
    await expect
      .poll(
        () =>
          lstatSync(join(job.workdir, '.telesto', `claim-${job.token}`), { throwIfNoEntry: false })?.isSymbolicLink(),
        { timeout: 10_000 },
      )
      .toBe(true)
    expect((await connect(transport).recover?.([attemptOf(job)], signal()))?.has(job.token)).toBe(false)
    expect(codeOf((await connect(transport).cleanUp?.([refOf(job, '1.0')], signal()))?.get(job.token))).toBe(
      'unavailable',
    )
    const id = refOf(job, (await submitting).get(job.token)).nativeId
    expect((await connect(transport).recover?.([attemptOf(job)], signal()))?.get(job.token)).toBe(id)
  })

  /** Programs that wait before they do anything, until they are let go. */
  const held = (...names: readonly string[]) => {
    const signs = mkdtempSync(join(folder, 'held-'))
    const wait = (name: string) =>
      `: >'${signs}/${name}.waits'; while [ ! -e '${signs}/${name}.goes' ]; do sleep 0.05; done; exec ${name} "$@"`
    return {
      through: withFolder(shims(Object.fromEntries(names.map((name) => [name, wait(name)])))),
      waits: async (name: string) =>
        await expect.poll(() => existsSync(join(signs, `${name}.waits`)), { timeout: 20_000, interval: 20 }).toBe(true),
      letGo: () => {
        for (const name of names) writeFileSync(join(signs, `${name}.goes`), '')
      },
      letGoOne: (name: string) => writeFileSync(join(signs, `${name}.goes`), ''),
    }
  }
  const verdictOn = async (job: SubmitRequest) =>
    (await connect(transport).recover?.([attemptOf(job)], signal()))?.get(job.token)
  const cleanedUp = async (job: SubmitRequest) => {
    const ref = { token: job.token, jobType: job.jobType, workdir: job.workdir, nativeId: '1.0' }
    return codeOf((await connect(transport).cleanUp?.([ref], signal()))?.get(job.token))
  }

  test.for([
    ['date', 'before it begins', 'ok'],
    ['mkdir', 'before it makes its folder', 'ok'],
    ['flock', 'before it takes its lock', 'ok'],
    ['tar', 'before it writes its files', 'unavailable'],
  ])(
    'a script that is held up (at %s, %s) and goes on when its attempt was given up, tried again and removed: nothing is submitted',
    async ([step = '', , cleaned]) => {
      const late = held(step)
      const [first, other] = [request(SLEEPS), request(SLEEPS)]
      const submitting = connect(late.through)
        .submit([first, other], signal())
        .catch(() => undefined)
      await late.waits(step)
      expect(await verdictOn(first)).toBe('absent')
      const again = { ...first, token: randomUUID() }
      const ref = refOf(again, (await connect(transport).submit([again], signal())).get(again.token))
      await connect(transport).cancel([ref], signal())
      expect(await cleanedUp(again)).toBe(cleaned)
      late.letGo()
      await submitting
      // The other job of the batch is there or not: never both.
      const verdict = await verdictOn(other)
      expect(procsOf([first.token, other.token])).toEqual([0, verdict === 'absent' ? 0 : 1])
      if (verdict !== 'absent') refOf(other, verdict)
      expect(await cleanedUp(again)).toBe('ok')
      expect(await verdictOn(first)).toBe('absent')
    },
  )

  test('only the beginning of what was sent arrives, in whole blocks: nothing is submitted, and later everything is whole', async () => {
    const root = join(folder, randomUUID())
    mkdirSync(root)
    writeFileSync(join(root, 'data'), Buffer.alloc(200_000, 'x'))
    const blocksOf = (bytes: number) => Math.floor(bytes / 512) * 512
    for (const lost of [100_000, 1024, 1536, 2048, 2560, 3072]) {
      const job = request({ ...SLEEPS, remoteInputFiles: ['data'] }, [root])
      const cut = through(({ stdin = '', ...options } = {}) =>
        stdin.length > lost
          ? { ...options, stdin: Buffer.from(stdin).subarray(0, blocksOf(stdin.length - lost)) }
          : { ...options, stdin },
      )
      expect(await thrown(connect(cut).submit([job], signal()))).toMatchObject({ code: 'unavailable' })
      expect(await verdictOn(job)).toBe('absent')
      expect(procsOf([job.token])).toEqual([0])
      expect(existsSync(join(job.workdir, 'data'))).toBe(false)
      // What a try left half done, another replaces.
      writeFileSync(join(job.workdir, 'data'), 'xx')
      const again = { ...job, token: randomUUID() }
      refOf(again, (await connect(transport).submit([again], signal())).get(again.token))
      expect(statSync(join(job.workdir, 'data')).size).toBe(200_000)
      expect(statSync(join(job.workdir, '.telesto')).mode & 0o777).toBe(0o700)
    }
  })

  test('a batch whose folder was removed with its first job before it was locked takes no claim any more', async () => {
    const late = held('flock', 'condor_submit')
    const [first, other] = [request(SLEEPS), request(SLEEPS)]
    const submitting = connect(late.through)
      .submit([first, other], signal())
      .catch(() => undefined)
    await late.waits('flock')
    expect(await verdictOn(first)).toBe('absent')
    expect(await cleanedUp({ ...first, token: randomUUID() })).toBe('ok')
    late.letGoOne('flock')
    // It comes to condor_submit, or to its end.
    await Promise.race([submitting, late.waits('condor_submit').catch(() => {})])
    const verdict = await verdictOn(other)
    late.letGo()
    await submitting
    const [submitted] = procsOf([other.token])
    expect([verdict, submitted]).toEqual(verdict === undefined ? [undefined, 1] : ['absent', 0])
    const last = await verdictOn(other)
    if (last !== 'absent') refOf(other, last)
  })

  test('of a job whose procs leave the queue one by one, all are told, or none', async () => {
    // All have left the queue, and the history answers with the newest alone.
    const short = shims({
      condor_q: 'until [ "$(condor_history "$@" | wc -l)" -ge 3 ]; do sleep 0.2; done; exec condor_q "$@"',
      condor_history: 'exec condor_history "$@" -limit 1',
    })
    const job = request({ executable: '/bin/true', numJobs: 3 })
    const error = await thrown(connect(withFolder(short)).submit([job], signal()))
    expect([error.code, error.message]).toEqual(['unavailable', expect.stringContaining('of its 3 procs only')])
    expect(procsOf([job.token])).toEqual([3])
    expect(await verdictOn(job)).toMatch(/^\d+\.0-2$/)
    // The log of events tells of all procs where the history no longer does.
    const recover = connect(withFolder(short)).recover?.([attemptOf(job)], signal())
    expect((await recover)?.get(job.token)).toMatch(/^\d+\.0-2$/)
  })

  test('a job that has left the queue before anybody looks is found in the history', async () => {
    const late = shims({
      condor_q: 'until [ -n "$(condor_history "$@")" ]; do sleep 0.2; done; exec condor_q "$@"',
    })
    const job = request({ executable: '/bin/true' })
    expect((await connect(withFolder(late)).submit([job], signal())).get(job.token)).toMatch(/^\d+\.0$/)
  })

  test('the directory of a job goes with its last attempt, and nothing that is not empty', async () => {
    const above = join(folder, randomUUID())
    const [job, next] = [request(SLEEPS), request(SLEEPS)].map((one, index) => ({
      ...one,
      workdir: join(above, '7', `${index + 1}-x`),
    })) as [SubmitRequest, SubmitRequest]
    for (const one of [job, next]) {
      const ref = refOf(one, (await connect(transport).submit([one], signal())).get(one.token))
      await connect(transport).cancel([ref], signal())
    }
    expect(await cleanedUp(job)).toBe('ok')
    expect(readdirSync(join(above, '7'))).toEqual(['2-x'])
    expect(await cleanedUp(next)).toBe('ok')
    expect(readdirSync(above)).toEqual([])
    // A removal that was cut short before it came to that is repeated.
    mkdirSync(join(above, '7'))
    expect(await cleanedUp(next)).toBe('ok')
    expect(readdirSync(above)).toEqual([])
  })

  test('attempts are placed while empty directories above them are removed: whole, or not at all', async () => {
    const [above, stop] = [join(folder, randomUUID()), join(folder, randomUUID())]
    mkdirSync(above)
    const script = 'while [ ! -e "$2" ]; do rmdir -- "$1"/* 2>/dev/null; done'
    const removing = transport.exec(['sh', '-c', script, 'sh', above, stop])
    const open: SubmitRequest[] = []
    try {
      for (let round = 0; round < 10; round++) {
        const job = { ...request(SLEEPS), workdir: join(above, `${round}`, '1-x') }
        const answers = await connect(transport)
          .submit([job], signal())
          .catch((error: unknown) => new Map([[job.token, error]]))
        const answer = answers.get(job.token)
        if (typeof answer === 'string') refOf(job, answer)
        else open.push(job)
      }
    } finally {
      writeFileSync(stop, '')
      await removing
    }
    for (const job of open) expect(await verdictOn(job)).toBe('absent')
    expect(procsOf(open.map(({ token }) => token))).toEqual(open.map(() => 0))
    const again = open.map((job) => ({ ...job, token: randomUUID() }))
    const answers = await connect(transport).submit(again, signal())
    for (const job of again) refOf(job, answers.get(job.token))
  })

  test('what is in the place of a directory that is not ours is not removed', async () => {
    const [job] = [request(SLEEPS)]
    mkdirSync(job.workdir)
    writeFileSync(join(job.workdir, 'precious'), '')
    const ref = { token: job.token, jobType: 'CONDOR', workdir: job.workdir, nativeId: '1.0' }
    expect(codeOf((await connect(transport).cleanUp?.([ref], signal()))?.get(job.token))).toBe('rejected')
    expect(existsSync(join(job.workdir, 'precious'))).toBe(true)
    for (const workdir of ['/', '.', '..', '../x', '', 'a/../..'])
      expect(codeOf((await connect(transport).cleanUp?.([{ ...ref, workdir }], signal()))?.get(job.token))).toBe(
        'invalid_job',
      )
  })

  test('a program that is missing there is named by ping()', async () => {
    const few = shims({})
    const without = through((options) => ({ ...options, env: { PATH: `${few}:/bin:/usr/bin` } }))
    const error = await thrown(connect(without).ping?.(signal()) ?? Promise.resolve())
    expect(error).toMatchObject({ code: 'unavailable' })
    expect(error.message).toContain('condor_submit')
  })
})

const pidOf = (name: string): number => {
  const master = readFileSync(join(process.env.CONDOR_DIR ?? '', 'run', 'master.pid'), 'utf8').split(' ')[0] ?? ''
  return name === 'condor_master'
    ? Number(master)
    : Number(execFileSync('pgrep', ['-P', master, '-x', name], { encoding: 'utf8' }))
}

describe('the schedd', () => {
  test('is gone: no method that asks it takes that for an answer, and afterwards the jobs are what they were', async () => {
    const transport = places['over SSH']
    const job = request({ ...SLEEPS, attributes: { hold: true } })
    const scheduler = connect(transport)
    const ref = refOf(job, (await scheduler.submit([job], signal())).get(job.token))
    const other = request(SLEEPS)
    const master = pidOf('condor_master')
    process.kill(master, 'SIGSTOP')
    process.kill(pidOf('condor_schedd'), 'SIGKILL')
    try {
      for (const call of [
        () => scheduler.status([ref], signal()),
        () => scheduler.history?.([ref], signal()),
        () => scheduler.cancel([ref], signal()),
        () => scheduler.hold?.([ref], signal()),
        () => scheduler.release?.([ref], signal()),
        () => scheduler.recover?.([attemptOf(job)], signal()),
        () => scheduler.ping?.(signal()),
        () => scheduler.submit([other], signal()),
      ])
        expect(await thrown(Promise.resolve(call()))).toMatchObject({ code: 'unavailable' })
    } finally {
      process.kill(master, 'SIGCONT')
    }
    const recovered = async () =>
      (await scheduler.recover?.([attemptOf(other)], signal()).catch(() => undefined))?.get(other.token)
    await expect.poll(recovered, { timeout: 60_000, interval: 500 }).toBe('absent')
    expect((await scheduler.status([ref], signal())).get(job.token)?.state).toBe('held')
  })

  test('hangs: a call ends with its signal', async () => {
    const transport = places['over SSH']
    const job = request({ ...SLEEPS, attributes: { hold: true } })
    const scheduler = connect(transport)
    const ref = refOf(job, (await scheduler.submit([job], signal())).get(job.token))
    const schedd = pidOf('condor_schedd')
    process.kill(schedd, 'SIGSTOP')
    try {
      expect(await thrown(scheduler.status([ref], AbortSignal.timeout(500)))).toMatchObject({ code: 'unavailable' })
    } finally {
      process.kill(schedd, 'SIGCONT')
    }
    expect((await scheduler.status([ref], signal())).get(job.token)?.state).toBe('held')
  })

  test('has limits: a job over them is rejected, with their words', async () => {
    const configuration = join(process.env.CONDOR_DIR ?? '', 'etc', 'condor_config')
    expect(readFileSync(configuration, 'utf8')).toContain('SUBMIT_REQUIREMENT_NAMES = MemoryLimit')
    const [good, big] = [request({ ...SLEEPS, requestMemory: 16 }), request({ ...SLEEPS, requestMemory: '900GB' })]
    const answers = await connect(places['over SSH']).submit([good, big], signal())
    refOf(good, answers.get(good.token))
    expect(answers.get(big.token)).toMatchObject({ code: 'rejected' })
    expect(String(answers.get(big.token))).toContain('No job here may have more than 512 GB of memory.')
  })
})
