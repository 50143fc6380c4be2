import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Bootstrap } from '../../examples/nile/change-point.ts'

const program = fileURLToPath(new URL('../../examples/nile/analyse.ts', import.meta.url))
const nile = fileURLToPath(new URL('../../examples/nile/nile.csv', import.meta.url))

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'nile-'))
})
afterEach(async () => {
  await rm(dir, { recursive: true, force: true })
})

type Outcome = { code: number | null; signal: NodeJS.Signals | null; stdout: string; stderr: string }

function start(args: string[], report?: string): { child: ChildProcess; outcome: Promise<Outcome> } {
  const env = { PATH: process.env.PATH, ...(report === undefined ? {} : { TELESTO_REPORT: report }) }
  const child = spawn(process.execPath, [program, ...args], { cwd: dir, env, stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString()
  })
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  const outcome = once(child, 'close').then(([code, signal]) => ({ code, signal, stdout, stderr }))
  return { child, outcome }
}

const run = (...args: string[]) => start(args).outcome

async function resultIn(out: string): Promise<Record<string, unknown>> {
  return JSON.parse(await readFile(join(out, 'result.json'), 'utf8')) as Record<string, unknown>
}

describe('the answer', () => {
  it.each(['1', '20260101'])('is 1898 with seed %s', async (seed) => {
    const { code, stdout, stderr } = await run('--data', nile, '--seed', seed, '--resamples', '1000')
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const result = await resultIn(dir)
    expect(result).toMatchObject({
      changeYear: 1898,
      firstYearOfNewLevel: 1899,
      meanBefore: 1097.75,
      meanAfter: 849.972,
      drop: 247.778,
      resamples: 1000,
      seed: Number(seed),
      data: { rows: 100, firstYear: 1871, lastYear: 1970 },
    })
    const [low, high] = result.interval95 as [number, number]
    expect(low).toBeGreaterThanOrEqual(1892)
    expect(low).toBeLessThan(1898)
    expect(high).toBeGreaterThan(1898)
    expect(high).toBeLessThanOrEqual(1905)
    expect(result.meanBeforeError).toBeGreaterThan(20)
    expect(result.meanBeforeError).toBeLessThan(35)
    expect(result.pValue).toBeLessThan(0.01)
    expect(stdout).toContain('last year of the old level: 1898')
    expect(stdout.match(/^ *\d+ %/gm)).toHaveLength(10)
    expect((await readdir(dir)).toSorted()).toEqual(['plot.svg', 'result.json'])
  })

  it('is the same byte for byte with the same seed, and varies with another', async () => {
    const runs = [
      ['a', '7'],
      ['b', '7'],
      ['c', '8'],
    ] as const
    await Promise.all(runs.map(([out, seed]) => run('--seed', seed, '--resamples', '500', '--out', out)))
    const read = (out: string, file: string) => readFile(join(dir, out, file), 'utf8')
    for (const file of ['result.json', 'plot.svg']) expect(await read('a', file)).toBe(await read('b', file))
    const [a, c] = [await resultIn(join(dir, 'a')), await resultIn(join(dir, 'c'))]
    expect(a.meanBeforeError).not.toBe(c.meanBeforeError)
  })

  it('does not call noise a change', async () => {
    const flows = Array.from({ length: 40 }, (_, i) => `${1900 + i},${1000 + ((i * 7919) % 97)}`)
    await writeFile(join(dir, 'noise.csv'), `year,flow\n${flows.join('\n')}\n`)
    const { code } = await run('--data', 'noise.csv', '--resamples', '500')
    expect(code).toBe(0)
    expect((await resultIn(dir)).pValue).toBeGreaterThan(0.05)
  })

  it('reads Windows line ends and a byte order mark', async () => {
    const text = await readFile(nile, 'utf8')
    await writeFile(join(dir, 'windows.csv'), `\uFEFF${text.replaceAll('\n', '\r\n')}`)
    const { code } = await run('--data', 'windows.csv', '--resamples', '100')
    expect(code).toBe(0)
    expect((await resultIn(dir)).changeYear).toBe(1898)
  })
})

describe('resamples that are made in parts', () => {
  const flows = Array.from({ length: 60 }, (_, year) => (year < 30 ? 1100 : 850) + ((year * 7919) % 101))
  const run = (seed: number, resamples: number): Bootstrap => {
    const bootstrap = new Bootstrap(flows, seed)
    while (bootstrap.done < resamples) bootstrap.resample()
    return bootstrap
  }
  it('are one run when they are put together, by way of JSON', () => {
    const whole = run(5, 400)
    const copied = new Bootstrap(flows, 1)
    copied.add(JSON.parse(JSON.stringify(whole.tally)))
    expect(copied.summary()).toEqual(whole.summary())
  })
  it('add up, whatever their order', () => {
    const parts = [run(1, 100), run(2, 200), run(3, 50)].map(({ tally }) => tally)
    const together = new Bootstrap(flows, 9)
    for (const part of parts) together.add(part)
    const summary = together.summary()
    expect([summary.resamples, summary.counts.reduce((sum, count) => sum + count)]).toEqual([350, 350])
    const reversed = new Bootstrap(flows, 9)
    for (const part of parts.toReversed()) reversed.add(part)
    expect(reversed.summary().before.standardError).toBeCloseTo(summary.before.standardError, 9)
    const all = parts.map(({ before: [count, mean, squares] }) => ({ count, mean, squares }))
    const mean = all.reduce((sum, part) => sum + part.count * part.mean, 0) / 350
    const squares = all.reduce((sum, part) => sum + part.squares + part.count * (part.mean - mean) ** 2, 0)
    expect(summary.before.standardError).toBeCloseTo(Math.sqrt(squares / 349), 9)
  })
})

describe('the plot', () => {
  it('is one well-formed file that names the year and needs nothing from elsewhere', async () => {
    await run('--resamples', '500')
    const svg = await readFile(join(dir, 'plot.svg'), 'utf8')
    expect(faultIn(svg)).toBeUndefined()
    expect(svg).toMatch(/<text[^>]*>last year of the old level: 1898<\/text>/)
    expect(svg).toMatch(/<text[^>]*>Annual flow at Aswan \(10⁸ m³\)<\/text>/)
    expect(svg).toMatch(/<title id="title">[^<]+<\/title>\s*<desc id="desc">[^<]*1898[^<]*<\/desc>/)
    expect(svg).toContain('prefers-color-scheme: dark')
    expect(svg.replace('xmlns="http://www.w3.org/2000/svg"', '')).not.toMatch(
      /https?:|href|url\(|@import|<script|\son\w+=/i,
    )
    expect(svg).not.toMatch(/NaN|undefined|Infinity/)
  })
})

/** What an XML parser would stumble over: tags that do not nest, attributes without quotes, bare & or <. */
function faultIn(xml: string): string | undefined {
  const open: string[] = []
  const rest = xml.replace(/<(\/?)([a-z]+)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>/gi, (_tag, closing, name, _, empty) => {
    if (closing === '/' && open.pop() !== name) return `<wrong end of ${name}>`
    if (closing === '' && empty === '') open.push(name)
    return ''
  })
  if (open.length > 0) return `never closed: ${open.join(', ')}`
  return /<|&(?!(?:amp|lt|gt|quot|apos|#\d+);)/.exec(rest)?.input.trim().slice(0, 200)
}

describe('progress reports', () => {
  type Report = { headers: IncomingHttpHeaders; method: string; url: string; body: unknown; at: number }
  let server: Server
  let reports: Report[]
  let answer: number | 'never'

  beforeEach(async () => {
    reports = []
    answer = 200
    server = createServer(async (req, res) => {
      const chunks: Buffer[] = []
      for await (const chunk of req) chunks.push(chunk as Buffer)
      const body: unknown = JSON.parse(Buffer.concat(chunks).toString())
      const { headers, method = '', url = '' } = req
      reports.push({ headers, method, url, body, at: performance.now() })
      if (answer !== 'never') res.writeHead(answer, { 'content-type': 'application/json' }).end('{"success":true}')
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
  })
  afterEach(async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  })

  async function reportFile(port = (server.address() as AddressInfo).port): Promise<string> {
    const file = join(dir, 'report')
    const address = `http://127.0.0.1:${port}/telesto/update-job-status/12`
    await writeFile(file, `url = "${address}"\nheader = "Authorization: Bearer abc.DEF-123_x=="\n`, { mode: 0o600 })
    return file
  }

  it('arrive with the token, rise from 0 to 1 and come at most about twice a second', async () => {
    const { code, stderr } = await start(['--resamples', '8000'], await reportFile()).outcome
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(reports.length).toBeGreaterThanOrEqual(3)
    for (const { headers, method, url } of reports) {
      expect({ method, url }).toEqual({ method: 'POST', url: '/telesto/update-job-status/12' })
      expect(headers.authorization).toBe('Bearer abc.DEF-123_x==')
      expect(headers['content-type']).toBe('application/json')
    }
    const shares = reports.map(({ body }) => (body as { progress: number }).progress)
    expect(shares).toEqual(shares.toSorted((a, b) => a - b))
    expect(shares[0]).toBe(0)
    expect(shares.at(-1)).toBe(1)
    expect(reports.at(-1)?.body).toEqual({ progress: 1, message: 'resample 8000 of 8000' })
    // Twice a second over the whole run, whatever the arrival of one; the first and the last may come at once.
    const seconds = ((reports.at(-1)?.at ?? 0) - (reports[0]?.at ?? 0)) / 1000
    expect(reports.length).toBeLessThanOrEqual(2 * seconds + 3)
  })

  it('that nobody listens to do not fail the job', async () => {
    const port = (server.address() as AddressInfo).port
    server.close()
    await once(server, 'close')
    const file = await reportFile(port)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { code, stderr } = await start(['--resamples', '4000'], file).outcome
    expect(code).toBe(0)
    expect(stderr.trim().split('\n')).toEqual([expect.stringContaining('progress is not reported')])
    expect(existsSync(join(dir, 'result.json'))).toBe(true)
  })

  it('that are refused do not fail the job', async () => {
    answer = 403
    const { code, stderr } = await start(['--resamples', '200'], await reportFile()).outcome
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: 'progress is not reported (the work goes on): the portal answered 403\n',
    })
  })

  it('that are never answered hold the job up by two seconds at most', async () => {
    answer = 'never'
    const started = performance.now()
    const { code, stderr } = await start(['--resamples', '200'], await reportFile()).outcome
    expect(code).toBe(0)
    expect(stderr.trim().split('\n')).toHaveLength(1)
    expect(performance.now() - started).toBeLessThan(6000)
  })

  it.each([
    ['is not there', undefined],
    ['is empty', ''],
    ['has no header', 'url = "http://127.0.0.1:1/"\n'],
  ])('do not fail the job when the file %s', async (_, content) => {
    const file = join(dir, 'report')
    if (content !== undefined) await writeFile(file, content)
    const { code, stderr } = await start(['--resamples', '200'], file).outcome
    expect(code).toBe(0)
    expect(stderr.trim().split('\n')).toEqual([expect.stringContaining('progress is not reported')])
  })
})

describe('wrong input', () => {
  const rows = (count: number, flow: (i: number) => string | number = (i) => 900 + i) =>
    `year,flow\n${Array.from({ length: count }, (_, i) => `${1900 + i},${flow(i)}`).join('\n')}\n`

  it.each([
    ['a file that is not there', ['--data', 'none.csv'], '--data'],
    ['a directory for a file', ['--data', '.'], '--data'],
    ['an empty value', ['--data', ''], '--data'],
    ['a seed of letters', ['--seed', 'abc'], '--seed'],
    ['a negative seed', ['--seed', '-1'], '--seed'],
    ['a broken seed', ['--seed', '1.5'], '--seed'],
    ['a seed beyond 32 bits', ['--seed', '4294967296'], '--seed'],
    ['a seed without a value', ['--seed'], '--seed'],
    ['no resamples', ['--resamples', '0'], '--resamples'],
    ['too many resamples', ['--resamples', '99999999999'], '--resamples'],
    ['resamples in hexadecimal', ['--resamples', '0x400'], '--resamples'],
    ['an unknown argument', ['--sead', '1'], '--sead'],
    ['a word without an argument', ['fast'], '"fast"'],
    ['an output that is a file', ['--out', nile], '--out'],
  ])('%s gets one sentence that names it, and exit code 2', async (_, args, named) => {
    await expectRefusal(args, named)
  })

  it.each([
    ['is no CSV', '\u0000\u0001PNG', 'CSV'],
    ['is empty', '', 'CSV'],
    ['has another header', 'month,flow\n1,2\n', 'CSV'],
    ['has a word for a flow', rows(30, (i) => (i === 5 ? 'dry' : i)), 'line 7 has "dry"'],
    ['has an empty flow', rows(30, (i) => (i === 5 ? '' : i)), 'line 7'],
    ['has an infinite flow', rows(30, (i) => (i === 5 ? '1e999' : i)), 'line 7'],
    ['has a negative flow', rows(30, (i) => (i === 5 ? '-3' : i)), 'line 7'],
    ['has a third column', rows(30, (i) => (i === 5 ? '1,2' : i)), 'line 7'],
    ['leaves a year out', rows(30).replace('1910,910\n', ''), '1910 should follow 1909'],
    ['has too few rows', rows(19), '19 years'],
    ['never varies', rows(30, () => 5), 'equal'],
  ])('data that %s are refused', async (_, content, reason) => {
    await writeFile(join(dir, 'data.csv'), content)
    await expectRefusal(['--data', 'data.csv'], '--data', reason)
  })

  async function expectRefusal(args: string[], ...words: string[]): Promise<void> {
    const { code, stdout, stderr } = await run(...args)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toMatch(/^[^\n]+\.\n$/)
    expect(stderr).not.toMatch(/ at .*:\d+/)
    for (const word of words) expect(stderr).toContain(word)
    expect(existsSync(join(dir, 'result.json'))).toBe(false)
  }
})

describe('SIGTERM', () => {
  it('ends the run at once with 143 and leaves nothing half written', async () => {
    const out = join(dir, 'out')
    await mkdir(out)
    const { child, outcome } = start(['--resamples', '1000000', '--out', out])
    await once(child.stdout ?? child, 'data') // it is at work
    const asked = performance.now()
    child.kill('SIGTERM')
    const { code, signal } = await outcome
    expect({ code, signal }).toEqual({ code: 143, signal: null })
    expect(performance.now() - asked).toBeLessThan(2000)
    expect(await readdir(out)).toEqual([])
  })
})
