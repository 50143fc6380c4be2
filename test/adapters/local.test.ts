import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { connectLocal } from '../../adapters/local/scheduler.js'
import { local } from '../../adapters/local.js'
import { localTransport } from '../../src/transport/local.js'
import { connect, errorOf, exists, machine, never, pidOf, quiet, refusal, sh } from './local-fixture.js'

test.each([
  [['true'], { state: 'succeeded', exitCode: 0, nativeState: 'exit 0' }],
  [sh('exit 3'), { state: 'failed', exitCode: 3, message: 'The command ended with exit code 3.' }],
  [['telesto-no-such-command'], { state: 'failed', exitCode: 127, message: expect.stringContaining('not found') }],
  [['/etc/passwd'], { state: 'failed', exitCode: 126, message: expect.stringContaining('could not be executed') }],
  [
    sh('kill -SEGV $$'),
    { state: 'failed', exitCode: 139, nativeState: 'SIGSEGV', message: expect.stringContaining('SIGSEGV') },
  ],
  [sh('kill -TERM $$'), { state: 'failed', exitCode: 143, nativeState: 'SIGTERM' }],
] as const)('%j ends truthfully', async (command, expected) => {
  const { run, ended } = machine()
  const before = Date.now()
  const report = await ended(await run(command as readonly [string, ...string[]]))
  expect(report).toMatchObject(expected)
  const [started, over] = [report.startedAt?.getTime() ?? 0, report.endedAt?.getTime() ?? 0]
  expect(started).toBeGreaterThan(before - 1000)
  expect(over).toBeGreaterThanOrEqual(started)
  expect(over).toBeLessThan(Date.now() + 1000)
})

test('arguments, values and odd directories survive byte for byte, and no shell reads them', async () => {
  const { run, ended, output } = machine()
  const words = ["it's", '"', '$HOME `id`', ';false', '', '-n', '--', 'a\nb\n', '\u{1f30a} été', '*', '\\', ' ', '\t\r']
  const value = words.join('|')
  const ref = await run(sh('printf "%s\\0" "$@" "$ODD"', ...words), { env: { ODD: value } })
  expect(await ended(ref)).toMatchObject({ state: 'succeeded' })
  expect(output(ref)).toBe([...words, value].map((word) => `${word}\0`).join(''))
})

test('a program named like a word of the shell is the program', async () => {
  const { run, ended, output } = machine()
  const ref = await run(['echo', '-n', 'if'])
  await ended(ref)
  expect(output(ref)).toBe('if')
  expect(await ended(await run(['exit', '0']))).toMatchObject({ state: 'failed', exitCode: 127 })
})

test('the environment holds what was promised and nothing of the server', async () => {
  vi.stubEnv('SECRET_OF_THE_SERVER', 'canary')
  vi.stubEnv('LC_MESSAGES', 'C')
  const { run, ended, output, read } = machine()
  const ref = await run(['env'], {
    env: { MINE: 'yes', PATH: '/usr/bin:/bin' },
    report: { url: 'http://x/', token: 'word' },
  })
  await ended(ref)
  const names = output(ref)
    .trim()
    .split('\n')
    .map((line) => line.split('=')[0] ?? '')
  const allowed =
    /^(PATH|HOME|USER|LOGNAME|LANG|LC_[A-Z]+|TZ|TMPDIR|SHELL|MINE|TELESTO_TOKEN|TELESTO_REPORT|PWD|OLDPWD|SHLVL|_)$/
  expect(names.filter((name) => !allowed.test(name))).toEqual([])
  expect(names).toEqual(expect.arrayContaining(['MINE', 'LC_MESSAGES', 'TELESTO_REPORT', 'HOME']))
  expect(output(ref)).toContain(`TELESTO_TOKEN=${ref.token}\n`)
  expect(output(ref)).toContain('\nPATH=/usr/bin:/bin\n')
  expect(output(ref)).not.toContain('word')
  expect(read(ref, '.telesto', ref.token, 'run.sh')).not.toContain('canary')
  vi.unstubAllEnvs()
})

test('the report file is for curl and for its owner alone', async () => {
  const { run, ended } = machine()
  const ref = await run(sh('cat "$TELESTO_REPORT"; tr "\\0" " " </proc/$$/cmdline'), {
    report: { url: 'http://x/"a\\b', token: 'se"cret' },
  })
  await ended(ref)
  const file = join(ref.workdir, '.telesto', 'report')
  expect(statSync(file).mode & 0o777).toBe(0o600)
  expect(statSync(join(ref.workdir, '.telesto')).mode & 0o777).toBe(0o700)
  expect(readFileSync(file, 'utf8')).toBe('url = "http://x/\\"a\\\\b"\nheader = "Authorization: Bearer se\\"cret"\n')
})

test('no signal is ignored in the command', async () => {
  const { run, ended, output } = machine()
  const ref = await run(sh('grep SigIgn /proc/self/status'))
  await ended(ref)
  expect(output(ref)).toMatch(/^SigIgn:\s+0+\n$/)
})

test('cancel: TERM ends the whole group, the exit code is kept, twice and too late are fine', async () => {
  const { run, ended, until, report, read, scheduler } = machine()
  const ref = await run(sh('sleep 60 & echo $! > pids; echo > ready; wait'))
  await vi.waitFor(() => expect(existsSync(join(ref.workdir, 'ready'))).toBe(true))
  expect(await until(ref, 'running')).toMatchObject({ state: 'running', startedAt: expect.any(Date) })
  expect((await scheduler.cancel([ref], never)).get(ref.token)).toBe('ok')
  expect((await scheduler.cancel([ref], never)).get(ref.token)).toBe('ok')
  expect(await ended(ref)).toMatchObject({ state: 'cancelled', exitCode: 143 })
  const grandchild = Number(read(ref, 'pids'))
  await vi.waitFor(() => expect(exists(grandchild)).toBe(false))
  expect((await scheduler.cancel([ref], never)).get(ref.token)).toBe('ok')
  expect(await report(ref)).toMatchObject({ state: 'cancelled' })
})

test('cancel: a job that cleans up on TERM and exits 0 was cancelled all the same', async () => {
  const { run, ended, scheduler } = machine()
  const ref = await run(sh('trap "echo > cleaned; exit 0" TERM; echo > ready; while :; do sleep 0.05; done'))
  await vi.waitFor(() => expect(existsSync(join(ref.workdir, 'ready'))).toBe(true))
  await scheduler.cancel([ref], never)
  expect(await ended(ref)).toMatchObject({ state: 'cancelled', exitCode: 0 })
  expect(existsSync(join(ref.workdir, 'cleaned'))).toBe(true)
})

test('cancel: who has finished stays finished', async () => {
  const { run, ended, report, scheduler } = machine()
  const refs = [await run(['true']), await run(sh('exit 3'))]
  for (const ref of refs) await ended(ref)
  await scheduler.cancel(refs, never)
  expect(await Promise.all(refs.map((ref) => report(ref)))).toMatchObject([
    { state: 'succeeded' },
    { state: 'failed', exitCode: 3 },
  ])
})

const DEAF = 'trap "" TERM; (trap "" TERM; while :; do sleep 1; done) & echo $! > pids; echo > ready; wait'

test('a job that ignores TERM is killed after the grace by the process that cancelled it', async () => {
  const { run, read, scheduler } = machine({ killGraceSeconds: 0.3 })
  const ref = await run(sh(DEAF))
  await vi.waitFor(() => expect(existsSync(join(ref.workdir, 'ready'))).toBe(true))
  await scheduler.cancel([ref], never)
  // Nobody asks in between: the timer alone must do it.
  await vi.waitFor(() => expect(exists(pidOf(ref)) || exists(Number(read(ref, 'pids')))).toBe(false), { timeout: 5000 })
  expect((await connect().status([ref], never)).get(ref.token)).toMatchObject({ state: 'cancelled' })
})

test.each(['cancel', 'status'] as const)(
  'where that process is gone, the next %s kills after the grace',
  async (method) => {
    const { run, read } = machine()
    const ref = await run(sh(DEAF))
    await vi.waitFor(() => expect(existsSync(join(ref.workdir, 'ready'))).toBe(true))
    const first = connect({ killGraceSeconds: 0.3 })
    await first.cancel([ref], never)
    await first.close()
    expect(exists(pidOf(ref))).toBe(true)
    const next = connect({ killGraceSeconds: 0.3 })
    await vi.waitFor(
      async () => {
        await next[method]([ref], never)
        expect(exists(pidOf(ref)) || exists(Number(read(ref, 'pids')))).toBe(false)
      },
      { timeout: 5000, interval: 100 },
    )
    await next.close()
  },
)

test('hold stops the whole group, release lets it go on, and a held job can be cancelled', async () => {
  const { run, until, ended, output, scheduler } = machine()
  const ref = await run(sh('while [ ! -e go ]; do sleep 0.05; done; echo done'))
  await until(ref, 'running')
  expect((await scheduler.hold?.([ref], never))?.get(ref.token)).toBe('ok')
  expect(await until(ref, 'suspended')).toMatchObject({ nativeState: 'stopped' })
  writeFileSync(join(ref.workdir, 'go'), '')
  expect((await scheduler.release?.([ref], never))?.get(ref.token)).toBe('ok')
  expect(await ended(ref)).toMatchObject({ state: 'succeeded' })
  expect(errorOf((await scheduler.hold?.([ref], never))?.get(ref.token)).code).toBe('rejected')
  expect(errorOf((await scheduler.release?.([ref], never))?.get(ref.token)).code).toBe('rejected')

  const held = await run(sh('echo up; exec sleep 60'))
  await vi.waitFor(() => expect(output(held)).toBe('up\n'))
  await scheduler.hold?.([held], never)
  await until(held, 'suspended')
  await scheduler.cancel([held], never)
  expect(await ended(held)).toMatchObject({ state: 'cancelled', exitCode: 143 })
})

test('what a command leaves behind in its group ends with it', async () => {
  const { run, ended, read } = machine()
  const ref = await run(sh('sleep 60 & echo $! > pid'))
  expect(await ended(ref)).toMatchObject({ state: 'succeeded' })
  await vi.waitFor(() => expect(exists(Number(read(ref, 'pid')))).toBe(false))
})

test('logs are read while the job runs, to their end, and past it', async () => {
  const { run, ended, scheduler } = machine()
  const ref = await run(sh('printf 12345; printf e >&2; while [ ! -e go ]; do sleep 0.05; done; printf 678'))
  const window = async (from: number, max: number) => {
    const found = await scheduler.readLog?.(ref, { name: 'stdout', size: 0 }, from, max, never)
    return found && { ...found, bytes: new TextDecoder().decode(found.bytes) }
  }
  await vi.waitFor(async () =>
    expect(await scheduler.listLogs?.(ref, never)).toEqual([
      { name: 'stdout', size: 5 },
      { name: 'stderr', size: 1 },
    ]),
  )
  expect(await window(0, 3)).toEqual({ bytes: '123', next: 3, end: false })
  expect(await window(3, 100)).toEqual({ bytes: '45', next: 5, end: false })
  expect(await window(5, 100)).toEqual({ bytes: '', next: 5, end: false })
  expect(await window(99, 100)).toEqual({ bytes: '', next: 5, end: false })
  writeFileSync(join(ref.workdir, 'go'), '')
  await ended(ref)
  expect(await window(5, 2)).toEqual({ bytes: '67', next: 7, end: false })
  expect(await window(7, 100)).toEqual({ bytes: '8', next: 8, end: true })
  expect(await window(99, 100)).toEqual({ bytes: '', next: 8, end: true })
  const odd = scheduler.readLog?.(ref, { name: '../../run.sh', size: 0 }, 0, 10, never)
  expect((await refusal(odd ?? Promise.resolve())).code).toBe('rejected')
})

test('cleanUp removes the workdir alone, twice, never that of a living job', async () => {
  const { root, run, ended, scheduler } = machine()
  const outside = join(root, 'outside')
  mkdirSync(outside)
  writeFileSync(join(outside, 'kept'), '')
  const ref = await run(
    sh(`ln -s "$1" link; mkdir deep; echo > deep/file; while [ ! -e go ]; do sleep 0.05; done`, outside),
  )
  const clean = async (job = ref) => (await scheduler.cleanUp?.([job], never))?.get(job.token)
  expect(errorOf(await clean()).code).toBe('rejected')
  expect(existsSync(ref.workdir)).toBe(true)
  writeFileSync(join(ref.workdir, 'go'), '')
  await ended(ref)
  expect(await clean()).toBe('ok')
  expect(await clean()).toBe('ok')
  expect(existsSync(ref.workdir)).toBe(false)
  expect(readdirSync(outside)).toEqual(['kept'])
  expect((await scheduler.status([ref], never)).has(ref.token)).toBe(false)

  symlinkSync(outside, ref.workdir)
  expect(errorOf(await clean()).code).toBe('rejected')
  expect(lstatSync(ref.workdir).isSymbolicLink()).toBe(true)
  expect(readdirSync(outside)).toEqual(['kept'])
  expect(errorOf(await clean({ ...ref, workdir: '/' })).code).toBe('invalid_job')
})

test.each([
  [{ command: [] }, /array of strings/],
  [{ command: 'ls -l' }, /array of strings/],
  [{ command: [''] }, /must name a program/],
  [{ command: ['-x'] }, /must name a program/],
  [{ command: ['ls', 'a\0b'] }, /argument cannot contain NUL/],
  [{ command: ['ls', 3] }, /argument must be a string/],
  [{ command: ['ls', '\ud800'] }, /valid Unicode/],
  [{ command: ['ls'], env: { 'A B': '' } }, /letters, digits/],
  [{ command: ['ls'], env: { TELESTO_REPORT: 'x' } }, /reserved/],
  [{ command: ['ls'], env: { A: '\0' } }, /NUL/],
  [{ comand: ['ls'] }, /comand/],
])('the spec %j is refused with a clear sentence', (spec, message) => {
  const result = local.specs.BASIC.safeParse(spec)
  expect(result.success).toBe(false)
  expect(result.error?.issues.map((issue) => issue.message).join('\n')).toMatch(message)
})

test('a spec that passes is JSON, and needs a scheduler exactly when it has a command', () => {
  const spec = { command: ['ls', 'é'], env: { A: 'b' } }
  expect(JSON.parse(JSON.stringify(local.specs.BASIC.parse(spec)))).toEqual(spec)
  expect(local.needsScheduler?.('BASIC', local.specs.BASIC.parse(spec))).toBe(true)
  expect(local.needsScheduler?.('BASIC', local.specs.BASIC.parse({}))).toBe(false)
})

test('one job that cannot be run does not hold up the others', async () => {
  const { scheduler, request, remember, ended } = machine()
  const [good, empty, odd, relative] = [
    request(['true']),
    { ...request(['true']), spec: {} },
    { ...request(['true']), token: '../x' },
    { ...request(['true']), workdir: 'here' },
  ]
  const answers = await scheduler.submit([empty, odd, relative, good], never)
  for (const { token } of [empty, odd, relative]) expect(errorOf(answers.get(token)).code).toBe('invalid_job')
  const id = answers.get(good.token)
  expect(await ended(remember(good, String(id)))).toMatchObject({ state: 'succeeded' })
})

test('a directory that cannot be made or read is an outage of that job, not its end', async () => {
  const { root, scheduler, request } = machine()
  writeFileSync(join(root, 'file'), '')
  const job = { ...request(['true']), workdir: join(root, 'file', 'below') }
  expect(errorOf((await scheduler.submit([job], never)).get(job.token)).code).toBe('unavailable')
  const attempt = { ...job, handedOverAt: new Date() }
  expect((await scheduler.recover?.([attempt], never))?.size).toBe(0)
  const loop = join(root, 'loop')
  symlinkSync(loop, loop)
  const ref = { token: 't', nativeId: 'a:2:b', jobType: 'BASIC', workdir: join(loop, 'x') }
  expect((await scheduler.status([ref], never)).get('t')).toMatchObject({ state: 'unknown', nativeState: 'unreadable' })
  expect(errorOf((await scheduler.cancel([ref], never)).get('t')).code).toBe('unavailable')
})

test('Windows gets a sentence, from the first call on', async () => {
  const scheduler = connectLocal({ killGraceSeconds: 5 }, { transport: localTransport(), log: quiet }, 'win32')
  expect((await refusal(scheduler.status([], never))).message).toContain('Windows')
  await scheduler.close()
})

test('ping and info tell what the machine is', async () => {
  const { scheduler } = machine()
  expect((await scheduler.ping?.(never))?.version).toMatch(/^[a-z]+ \d+\.\d+$/)
  expect((await scheduler.info?.(never))?.map(({ label }) => label)).toEqual(['CPUs', 'Memory', 'Load'])
})
