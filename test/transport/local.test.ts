import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { SchedulerError } from '../../src/adapter.js'
import { localTransport } from '../../src/transport/local.js'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "telesto transport 'x' "))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const transport = localTransport()
const textOf = (bytes: Uint8Array | undefined) => (bytes === undefined ? undefined : new TextDecoder().decode(bytes))
const refusal = async (promise: Promise<unknown>): Promise<SchedulerError> => {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof SchedulerError)) throw new Error(`expected a SchedulerError, got ${String(error)}`)
  return error
}
const gone = (pid: number) => {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ')
  } catch {
    return true
  }
}

test('arguments reach the command without a shell in between', async () => {
  const words = ['a b', "it's", '$HOME', ';id', '', '-n', 'été\n']
  const { code, stdout } = await transport.exec(['/bin/sh', '-c', 'printf "%s\\0" "$@"', 'sh', ...words])
  expect(code).toBe(0)
  expect(textOf(stdout)).toBe(words.map((word) => `${word}\0`).join(''))
})

test('a command that fails is a result, with its code and both streams', async () => {
  const result = await transport.exec(['/bin/sh', '-c', 'echo out; echo err >&2; exit 3'])
  expect([result.code, textOf(result.stdout), textOf(result.stderr)]).toEqual([3, 'out\n', 'err\n'])
})

test('a command ended by a signal has no code', async () => {
  expect((await transport.exec(['/bin/sh', '-c', 'kill -9 $$'])).code).toBe(null)
})

test('a command that does not exist or is not a program answers as a shell does', async () => {
  expect((await transport.exec(['telesto-no-such-command'])).code).toBe(127)
  const file = join(dir, 'data')
  writeFileSync(file, 'x', { mode: 0o644 })
  const result = await transport.exec([file])
  expect(result.code).toBe(126)
  expect(textOf(result.stderr)).toContain('data')
  expect((await transport.exec(['/bin/true'], { cwd: join(dir, 'missing') })).code).toBe(127)
})

test('cwd, env and stdin are given; stdin that nobody reads is no error', async () => {
  const result = await transport.exec(['/bin/sh', '-c', 'pwd -P; echo "$WORD"; cat'], {
    cwd: dir,
    env: { WORD: 'été' },
    stdin: 'in',
  })
  expect(textOf(result.stdout)).toBe(`${dir}\nété\nin`)
  const deaf = await transport.exec(['/bin/sh', '-c', 'exec <&-; exit 4'], { stdin: new Uint8Array(4_000_000) })
  expect(deaf.code).toBe(4)
})

test('keys and passwords of the portal are not in the environment of what it starts', async () => {
  for (const name of ['TELESTO_KEYS', 'TELESTO_PASSWORD', 'TELESTO_PRIVATE_KEY_PASS', 'DATABASE_URL', 'PGPASSWORD'])
    vi.stubEnv(name, 'canary')
  vi.stubEnv('TELESTO_REPORT', 'stays')
  onTestFinished(() => void vi.unstubAllEnvs())
  const environment = textOf((await transport.exec(['/usr/bin/env'])).stdout)
  expect(environment).not.toContain('canary')
  expect(environment).toContain('TELESTO_REPORT=stays')
})

test('over its time, the command and all that it started are killed', async () => {
  const pids = join(dir, 'pids')
  const started = performance.now()
  const error = await refusal(
    transport.exec(['/bin/sh', '-c', `sleep 60 & echo $! $$ > "$1"; wait`, 'sh', pids], { timeoutMs: 300 }),
  )
  expect(error.code).toBe('unavailable')
  expect(error.message).toContain('300 ms')
  expect(performance.now() - started).toBeLessThan(1300)
  const all = readFileSync(pids, 'utf8').trim().split(' ').map(Number)
  expect(all).toHaveLength(2)
  await vi.waitFor(() => expect(all.every(gone)).toBe(true))
})

test('an abort ends the call within a second, even where a grandchild keeps the pipes open', async () => {
  const controller = new AbortController()
  const marker = join(dir, 'started')
  const call = refusal(
    transport.exec(['/bin/sh', '-c', 'trap "" TERM; sleep 60 & echo > "$1"; wait', 'sh', marker], {
      signal: controller.signal,
    }),
  )
  await vi.waitFor(() => statSync(marker))
  const aborted = performance.now()
  controller.abort()
  expect((await call).code).toBe('unavailable')
  expect(performance.now() - aborted).toBeLessThan(1000)
  expect((await refusal(transport.exec(['/bin/true'], { signal: controller.signal }))).code).toBe('unavailable')
})

test('more output than allowed is no answer', async () => {
  const error = await refusal(
    transport.exec(['/bin/sh', '-c', 'while :; do echo yyyyyyyyyyyy; done'], { maxBytes: 1000 }),
  )
  expect(error.code).toBe('protocol')
  expect((await transport.exec(['/bin/echo', '-n', 'xxxx'], { maxBytes: 4 })).stdout.byteLength).toBe(4)
})

test('a closed transport starts nothing and ends what runs', async () => {
  const own = localTransport()
  const call = refusal(own.exec(['/bin/sleep', '60']))
  await own.close()
  await own.close()
  expect((await call).code).toBe('unavailable')
  expect((await refusal(own.exec(['/bin/true']))).code).toBe('unavailable')
})

test('files are read whole or by range; what is not there is undefined', async () => {
  const file = join(dir, 'f')
  writeFileSync(file, `${'x'.repeat(70_000)}end`)
  expect((await transport.read(file))?.byteLength).toBe(70_003)
  expect(textOf(await transport.read(file, 70_000))).toBe('end')
  expect(textOf(await transport.read(file, 69_999, 2))).toBe('xe')
  expect(textOf(await transport.read(file, 80_000, 10))).toBe('')
  expect(await transport.read(join(dir, 'no'))).toBeUndefined()
  expect(await transport.read(join(file, 'below a file'))).toBeUndefined()
})

test('a pipe where a file should be does not hold up the reader', async () => {
  const pipe = join(dir, 'pipe')
  expect((await transport.exec(['mkfifo', pipe])).code).toBe(0)
  expect((await refusal(transport.read(pipe))).message).toContain('not a regular file')
})

test('a write replaces the file in one step, with the mode asked for, and leaves no draft behind', async () => {
  const file = join(dir, 'f')
  await transport.write(file, 'one', 0o600)
  expect(statSync(file).mode & 0o777).toBe(0o600)
  const before = statSync(file).ino
  await transport.write(file, new Uint8Array([1, 2, 255]), 0o664)
  expect(statSync(file).ino).not.toBe(before)
  expect(statSync(file).mode & 0o777).toBe(0o664)
  expect([...readFileSync(file)]).toEqual([1, 2, 255])
  expect((await refusal(transport.write(join(dir, 'no', 'f'), ''))).code).toBe('unavailable')
  expect(readdirSync(dir)).toEqual(['f'])
})

test('put and get copy a file; an input that does not exist is the job’s fault', async () => {
  const [a, b, c] = [join(dir, 'a'), join(dir, 'b'), join(dir, 'c')]
  writeFileSync(a, 'été')
  await transport.put(a, b)
  await transport.get(b, c)
  expect(readFileSync(c, 'utf8')).toBe('été')
  expect((await refusal(transport.put(join(dir, 'no'), b))).code).toBe('invalid_job')
  expect((await refusal(transport.get(join(dir, 'no'), b))).code).toBe('unavailable')
  expect(readFileSync(b, 'utf8')).toBe('été')
})

test('a listing is sorted, tells sizes and directories, and follows no link', async () => {
  await transport.mkdir(join(dir, 'd', 'deep'))
  await transport.mkdir(join(dir, 'd'))
  writeFileSync(join(dir, 'a'), '123')
  symlinkSync('/', join(dir, 'link'))
  expect(await transport.list(dir)).toMatchObject([
    { name: 'a', size: 3, directory: false },
    { name: 'd', directory: true },
    { name: 'link', directory: false },
  ])
  expect((await refusal(transport.list(join(dir, 'no')))).code).toBe('unavailable')
})

test('remove takes a tree away, spares what links point to, and may be repeated', async () => {
  const outside = join(dir, 'outside')
  writeFileSync(outside, 'kept')
  const tree = join(dir, 'tree')
  await transport.mkdir(join(tree, 'sub'))
  symlinkSync(outside, join(tree, 'link'))
  await transport.remove(tree)
  await transport.remove(tree)
  expect(readdirSync(dir)).toEqual(['outside'])
  expect((await refusal(transport.remove('/'))).code).toBe('invalid_job')
})

test('paths that are relative or hold NUL are refused', async () => {
  expect((await refusal(transport.read('f'))).code).toBe('invalid_job')
  expect((await refusal(transport.write('', 'x'))).code).toBe('invalid_job')
  expect((await refusal(transport.mkdir('/tmp/a\0b'))).code).toBe('invalid_job')
  expect((await refusal(transport.exec(['a\0b']))).code).toBe('invalid_job')
})
