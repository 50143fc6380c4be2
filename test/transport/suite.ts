import { lstatSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { SchedulerError, type Transport } from '../../src/adapter.js'

/** Where the suite runs: `dir` is an empty directory for each test, on the transport's machine and, at the same path, on ours. */
export interface Place {
  readonly transport: Transport
  dir(): string
  /** One that may be closed. */
  fresh(): Transport
}

export const textOf = (bytes: Uint8Array | undefined) =>
  bytes === undefined ? undefined : new TextDecoder().decode(bytes)
export const refusal = async (promise: Promise<unknown>): Promise<SchedulerError> => {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof SchedulerError)) throw new Error(`expected a SchedulerError, got ${String(error)}`)
  return error
}
/** No process of this machine runs under the pid any more. */
export const gone = (pid: number) => {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ')
  } catch {
    return true
  }
}

const PATIENCE = { timeout: 20_000 }
const words = fc
  .string({
    unit: fc.oneof(
      fc.constantFrom("'", '"', '$', '`', '\\', '\n', ';', ' ', '*', '!', '~', '-', '\u0081', '\u00c1', '\r'),
      fc.string({ unit: 'grapheme', maxLength: 3 }),
    ),
  })
  .filter((text) => !text.includes('\0') && text.isWellFormed())

/** What every transport promises. */
export const transportSuite = ({ transport, dir: place, fresh }: Place): void => {
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
    const file = join(place(), 'data')
    writeFileSync(file, 'x', { mode: 0o644 })
    const result = await transport.exec([file])
    expect(result.code).toBe(126)
    expect(textOf(result.stderr)).toContain('data')
    expect((await transport.exec(['/bin/true'], { cwd: join(place(), 'missing') })).code).toBe(127)
  })

  test('cwd, env and stdin are given; stdin that nobody reads is no error', async () => {
    const result = await transport.exec(['/bin/sh', '-c', 'pwd -P; echo "$WORD"; cat'], {
      cwd: place(),
      env: { WORD: 'été' },
      stdin: 'in',
    })
    expect(textOf(result.stdout)).toBe(`${place()}\nété\nin`)
    const deaf = await transport.exec(['/bin/sh', '-c', 'exec <&-; exit 4'], { stdin: new Uint8Array(4_000_000) })
    expect(deaf.code).toBe(4)
  })

  test('over its time, the command and all that it started are killed', async () => {
    const pids = join(place(), 'pids')
    const started = performance.now()
    const error = await refusal(
      transport.exec(['/bin/sh', '-c', `sleep 60 & echo $! $$ > "$1"; wait`, 'sh', pids], { timeoutMs: 300 }),
    )
    expect(error.code).toBe('unavailable')
    expect(error.message).toContain('300 ms')
    expect(performance.now() - started).toBeLessThan(1300)
    const all = readFileSync(pids, 'utf8').trim().split(' ').map(Number)
    expect(all).toHaveLength(2)
    await vi.waitFor(() => expect(all.every(gone)).toBe(true), PATIENCE)
  })

  test('an abort ends the call within a second, even where a grandchild keeps the pipes open', async () => {
    const controller = new AbortController()
    const marker = join(place(), 'started')
    const call = refusal(
      transport.exec(['/bin/sh', '-c', 'trap "" TERM; sleep 60 & echo > "$1"; wait', 'sh', marker], {
        signal: controller.signal,
      }),
    )
    await vi.waitFor(() => statSync(marker), PATIENCE)
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
    const own = fresh()
    const call = refusal(own.exec(['/bin/sleep', '60']))
    await own.close()
    await own.close()
    expect((await call).code).toBe('unavailable')
    expect((await refusal(own.exec(['/bin/true']))).code).toBe('unavailable')
  })

  test('files are read whole or by range; what is not there is undefined', async () => {
    const file = join(place(), 'f')
    writeFileSync(file, `${'x'.repeat(70_000)}end`)
    expect((await transport.read(file))?.byteLength).toBe(70_003)
    expect(textOf(await transport.read(file, 70_000))).toBe('end')
    expect(textOf(await transport.read(file, 69_999, 2))).toBe('xe')
    expect(textOf(await transport.read(file, 80_000, 10))).toBe('')
    expect(await transport.read(join(place(), 'no'))).toBeUndefined()
    expect(await transport.read(join(file, 'below a file'))).toBeUndefined()
  })

  test('a pipe where a file should be does not hold up the reader', async () => {
    const pipe = join(place(), 'pipe')
    expect((await transport.exec(['mkfifo', pipe])).code).toBe(0)
    expect((await refusal(transport.read(pipe))).message).toContain('not a regular file')
  })

  test('a write replaces the file in one step, with the mode asked for, and leaves no draft behind', async () => {
    const file = join(place(), 'f')
    await transport.write(file, 'one', 0o600)
    expect(statSync(file).mode & 0o777).toBe(0o600)
    const before = statSync(file).ino
    await transport.write(file, new Uint8Array([1, 2, 255]), 0o664)
    expect(statSync(file).ino).not.toBe(before)
    expect(statSync(file).mode & 0o777).toBe(0o664)
    expect([...readFileSync(file)]).toEqual([1, 2, 255])
    expect((await refusal(transport.write(join(place(), 'no', 'f'), ''))).code).toBe('unavailable')
    expect(readdirSync(place())).toEqual(['f'])
  })

  test('put and get copy a file; an input that does not exist is the job’s fault', async () => {
    const [a, b, c] = [join(place(), 'a'), join(place(), 'b'), join(place(), 'c')]
    writeFileSync(a, 'été')
    await transport.put(a, b)
    await transport.get(b, c)
    expect(readFileSync(c, 'utf8')).toBe('été')
    expect((await refusal(transport.put(join(place(), 'no'), b))).code).toBe('invalid_job')
    expect((await refusal(transport.get(join(place(), 'no'), b))).code).toBe('unavailable')
    expect(readFileSync(b, 'utf8')).toBe('été')
  })

  test('only a regular file is copied: a pipe would never end, and a device neither', async () => {
    const [pipe, link, to] = [join(place(), 'pipe'), join(place(), 'link'), join(place(), 'to')]
    expect((await transport.exec(['mkfifo', pipe])).code).toBe(0)
    symlinkSync('/dev/null', link)
    for (const source of [pipe, link, place()]) {
      expect((await refusal(transport.get(source, to))).message).toMatch(/is not a regular file/)
      expect((await refusal(transport.put(source, to))).code).toBe('invalid_job')
    }
    expect(readdirSync(place())).toEqual(['link', 'pipe'])
  })

  test('a listing is sorted, tells sizes and directories, and follows no link', async () => {
    await transport.mkdir(join(place(), 'd', 'deep'))
    await transport.mkdir(join(place(), 'd'))
    writeFileSync(join(place(), 'a'), '123')
    symlinkSync('/', join(place(), 'link'))
    expect(await transport.list(place())).toMatchObject([
      { name: 'a', size: 3, directory: false },
      { name: 'd', directory: true },
      { name: 'link', directory: false },
    ])
    expect((await refusal(transport.list(join(place(), 'no')))).code).toBe('unavailable')
  })

  test('remove takes a tree away, spares what links point to, and may be repeated', async () => {
    const outside = join(place(), 'outside')
    writeFileSync(outside, 'kept')
    const tree = join(place(), 'tree')
    await transport.mkdir(join(tree, 'sub'))
    symlinkSync(outside, join(tree, 'link'))
    await transport.remove(tree)
    await transport.remove(tree)
    expect(readdirSync(place())).toEqual(['outside'])
    expect((await refusal(transport.remove('/'))).code).toBe('invalid_job')
  })

  test('every word, every value of env and the directory arrive as they were given', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(words, { maxLength: 8 }), words, words, async (args, value, name) => {
        const cwd = join(place(), `d${name.replaceAll('/', '_').slice(0, 50)}`)
        await transport.mkdir(cwd)
        const { code, stdout, stderr } = await transport.exec(
          ['/bin/sh', '-c', 'printf "%s\\0" "$VALUE" "$PWD" "$@"', 'sh', ...args],
          { cwd, env: { VALUE: value } },
        )
        expect([code, textOf(stderr)]).toEqual([0, ''])
        expect(textOf(stdout)?.split('\0').slice(0, -1)).toEqual([value, cwd, ...args])
      }),
      { numRuns: 100 },
    )
  })

  test('a command may be far longer than one argument of a shell', async () => {
    const args = Array.from({ length: 40 }, (_, i) => `${i}`.padStart(10_000, 'x'))
    const { stdout } = await transport.exec(['/bin/sh', '-c', 'echo $#; cat', 'sh', ...args], { stdin: 'rest' })
    expect(textOf(stdout)).toBe('40\nrest')
  })

  test('bytes pass both ways unchanged, also many of them', async () => {
    const bytes = crypto.getRandomValues(new Uint8Array(60_000))
    const all = Buffer.concat(Array.from({ length: 200 }, () => bytes))
    const { code, stdout } = await transport.exec(['cat'], { stdin: all })
    expect(code).toBe(0)
    expect(all.equals(stdout)).toBe(true)
  })

  test('files of any size are written, read, put and got as they are, with their mode', async () => {
    for (const size of [0, 1, 131_071, 131_072, 131_073, 5_000_001]) {
      const bytes = Buffer.alloc(size, crypto.getRandomValues(new Uint8Array(997)))
      const [a, b, c] = [join(place(), 'a'), join(place(), 'b'), join(place(), 'c')]
      await transport.write(a, bytes, 0o750)
      expect(bytes.equals((await transport.read(a)) ?? new Uint8Array())).toBe(true)
      await transport.put(a, b)
      await transport.get(b, c)
      expect(bytes.equals(readFileSync(c))).toBe(true)
      expect([b, c].map((file) => lstatSync(file).mode & 0o777)).toEqual([0o750, 0o750])
    }
    expect(readdirSync(place()).sort()).toEqual(['a', 'b', 'c'])
  })

  test('many calls at once are all answered', async () => {
    const numbers = Array.from({ length: 60 }, (_, i) => i)
    const answers = await Promise.all(
      numbers.map(async (i) => {
        const file = join(place(), `${i}`)
        await transport.write(file, `${i}`)
        const { stdout } = await transport.exec(['cat', file])
        return [textOf(stdout), textOf(await transport.read(file))]
      }),
    )
    expect(answers).toEqual(numbers.map((i) => [`${i}`, `${i}`]))
  })

  test('what cannot be carried is refused', async () => {
    expect((await refusal(transport.write('', 'x'))).code).toBe('invalid_job')
    expect((await refusal(transport.mkdir('/tmp/a\0b'))).code).toBe('invalid_job')
    expect((await refusal(transport.exec(['a\0b']))).code).toBe('invalid_job')
  })
}
