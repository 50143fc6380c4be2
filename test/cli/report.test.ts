import { writeFile } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import { type AddressInfo, createServer as createSocket } from 'node:net'
import path from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { freshDirectory, startChild } from '../store/support.js'
import { startPortal } from '../web/support.js'

const TOKEN = 'canary-Token_1~+/='

/** Runs `telesto report` with TELESTO_REPORT naming `file`; whatever it answers, it shows no token. */
const report = async (file: string | undefined, args: readonly string[], secret = TOKEN) => {
  vi.stubEnv('TELESTO_REPORT', file)
  const child = startChild(new URL('../../src/cli/telesto.ts', import.meta.url), ['report', ...args])
  vi.unstubAllEnvs()
  const lines: string[] = []
  for (let line = await child.line(); line !== undefined; line = await child.line()) lines.push(line)
  const { code, stderr } = await child.ended
  const said = { code, stdout: lines.join('\n'), stderr }
  expect(JSON.stringify(said)).not.toContain(secret)
  expect(stderr.trimEnd().split('\n')).toHaveLength(1)
  return said
}

const reportFile = async (url: string, token = TOKEN): Promise<string> => {
  const file = path.join(await freshDirectory(), 'report')
  await writeFile(file, `url = "${url}"\nheader = "Authorization: Bearer ${token}"\n`, { mode: 0o600 })
  return file
}

/** A server that answers as a portal does not on demand. */
const answering = async (answer: RequestListener) => {
  const requests: { readonly authorization: string | undefined; readonly body: string }[] = []
  const server = createServer((req, res) => {
    let body = ''
    req.on('data', (chunk) => {
      body += chunk
    })
    req.on('end', () => {
      requests.push({ authorization: req.headers.authorization, body })
      answer(req, res)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { origin, file: await reportFile(`${origin}/update-job-status/1`), requests }
}

/** A job of a real portal, and the file that it would be given. */
const running = async (options: Parameters<typeof startPortal>[0] = {}) => {
  const portal = await startPortal(options)
  const job = await portal.basic('reports')
  await job.execute()
  const token = await portal.reportToken(job.id)
  const url = `${portal.origin}/telesto/update-job-status/${job.id}`
  const file = await reportFile(url, token)
  return { portal, job, token, url, tell: async (...args: string[]) => await report(file, args, token) }
}

test('status, message and progress arrive, and nothing is said about it', async () => {
  const { job, tell } = await running()
  const said = await tell('--status', 'Running', '--message', 'Pegel "3"; $x', '--progress', '0.25')
  expect(said).toEqual({ code: 0, stdout: '', stderr: '' })
  await job.refresh()
  expect([job.status, job.statusMessage, job.progress]).toEqual(['Running', 'Pegel "3"; $x', 0.25])
})

test('--json prints the answer; the name of a node may have an "="', async () => {
  const { portal, job, tell } = await running()
  await portal.sql(
    `INSERT INTO telesto_parts (attempt_id, position, name, state) SELECT attempt_id, 0, 'seed=7', 'queued' FROM telesto_jobs`,
  )
  const said = await tell('--node', 'seed=7=running', '--node', 'nobody=failed', '--json')
  expect(said).toEqual({ code: 0, stdout: '{"success":true,"nodesApplied":2}', stderr: '' })
  // Of a job that no scheduler runs, what is told makes the part.
  expect((await job.parts()).map(({ name, state }) => [name, state])).toEqual([
    ['seed=7', 'running'],
    ['nobody', 'failed'],
  ])
})

test('each way in which a portal refuses has its sentence and its exit code', async () => {
  const { portal, job, url, token, tell } = await running()
  expect(await tell('--node', 'a=Running')).toMatchObject({
    code: 6,
    stderr: expect.stringMatching(/^telesto: The report is wrong: nodes\.a: .*\n$/),
  })
  expect(await tell('--message', 'x'.repeat(3000))).toMatchObject({ code: 6 })
  expect(await tell('--message', 'x'.repeat(70_000))).toMatchObject({ code: 6 })
  expect(await tell('--status', 'Complete')).toMatchObject({ code: 0 })
  expect(await tell('--progress', '1')).toMatchObject({
    code: 5,
    stderr: `telesto: The job has already ended: Job ${job.id} has already finished.\n`,
  })
  await job.resubmit()
  const unknown = {
    code: 4,
    stdout: '',
    stderr: 'telesto: The portal does not know this attempt: the job was deleted or run again.\n',
  }
  expect(await tell('--progress', '1')).toEqual(unknown)
  const elsewhere = await reportFile(url.replace('/update', '/no-update'), token)
  expect(await report(elsewhere, ['--progress', '1'], token)).toMatchObject({
    code: 9,
    stderr: expect.stringContaining('404'),
  })
  expect(portal.logged).toEqual([])
})

test('a portal that takes no more reports says so, and is not asked again before it will', async () => {
  const { tell } = await running({ rateLimits: { callback: 1 } })
  expect(await tell('--progress', '0')).toMatchObject({ code: 0 })
  expect(await tell('--progress', '0.5')).toMatchObject({
    code: 7,
    stderr: expect.stringMatching(
      /^telesto: The portal takes no more reports for now: More than 1 requests in a minute/,
    ),
  })
})

test('a portal that is away for a moment is tried again', async () => {
  let answers = 0
  const { file, requests } = await answering((req, res) => {
    answers++
    if (answers === 1) return void req.socket.destroy()
    if (answers === 2) return void res.writeHead(503, { 'retry-after': '0' }).end('down')
    res.setHeader('content-type', 'application/json').end('{"success":true}')
  })
  expect(await report(file, ['--message', 'm', '--timeout', '60'])).toEqual({ code: 0, stdout: '', stderr: '' })
  expect(requests).toEqual(Array(3).fill({ authorization: `Bearer ${TOKEN}`, body: '{"message":"m"}' }))
})

test('a portal that stays away: could not be reached, after the time that was given', async () => {
  const listening = createSocket().listen(0, '127.0.0.1')
  await new Promise((resolve) => listening.on('listening', resolve))
  const { port } = listening.address() as AddressInfo
  await new Promise((resolve) => listening.close(resolve))
  const gone = await report(await reportFile(`http://127.0.0.1:${port}/`), ['--progress', '1', '--timeout', '0.5'])
  expect(gone).toMatchObject({ code: 3, stdout: '' })
  expect(gone.stderr).toMatch(
    /^telesto: The portal could not be reached: (connect ECONNREFUSED .*|no answer in time) \(tried for 0\.5 s\)\.\n$/,
  )

  const { file } = await answering(() => {})
  expect(await report(file, ['--progress', '1', '--timeout', '0.5'])).toEqual({
    code: 3,
    stdout: '',
    stderr: 'telesto: The portal could not be reached: no answer in time (tried for 0.5 s).\n',
  })
})

test('a portal that fails, and will for longer than one waits', async () => {
  const { file, requests } = await answering((_req, res) => {
    res
      .writeHead(500, { 'retry-after': '3600' })
      .end(JSON.stringify({ error: { message: `it broke\u001b[31m\non ${TOKEN}` } }))
  })
  expect(await report(file, ['--progress', '1', '--timeout', '60'])).toEqual({
    code: 8,
    stdout: '',
    stderr: 'telesto: The portal failed: 500, it broke [31m on (the token)\n',
  })
  expect(requests).toHaveLength(1)
})

test('no redirect is followed, and what is no portal is not believed', async () => {
  const other = await answering((_req, res) => void res.end('{"success":true}'))
  const redirecting = await answering((_req, res) => void res.writeHead(307, { location: other.origin }).end())
  const moved = await report(redirecting.file, ['--progress', '1'])
  expect(moved).toMatchObject({ code: 9, stderr: expect.stringContaining('no portal: 307') })
  expect([redirecting.requests.length, other.requests.length]).toEqual([1, 0])
  const pages = ['<p>Welcome to our proxy', '{"success":false}', 'null', '"success"', 'x'.repeat(1_000_000)]
  for (const page of pages) {
    const stranger = await answering((_req, res) => void res.end(page))
    expect(await report(stranger.file, ['--progress', '1', '--json'])).toMatchObject({ code: 9, stdout: '' })
  }
  for (const status of [403, 409, 400, 401]) {
    const text = status === 403 ? '{"error":{"code":"sign_in"}}' : '<h1>no'
    const proxy = await answering((_req, res) => void res.writeHead(status).end(text))
    expect(await report(proxy.file, ['--progress', '1'])).toMatchObject({ code: 9 })
  }
})

test('the token comes back to nobody', async () => {
  const { file } = await answering((req, res) => {
    res.end(JSON.stringify({ success: true, echo: req.headers.authorization }))
  })
  const said = await report(file, ['--progress', '1', '--json'])
  expect(said).toMatchObject({ code: 0, stdout: '{"success":true,"echo":"Bearer (the token)"}' })
})

test('without a usable file: which one, and nothing of what is in it', async () => {
  const notSet = await report(undefined, ['--progress', '1'])
  expect(notSet).toMatchObject({ code: 1, stderr: expect.stringMatching(/^telesto: TELESTO_REPORT is not set: /) })
  expect((await report('', ['--progress', '1'])).stderr).toBe(notSet.stderr)
  const directory = await freshDirectory()
  const missing = path.join(directory, 'none')
  expect(await report(missing, ['--progress', '1'])).toMatchObject({
    code: 1,
    stderr: `telesto: The file that TELESTO_REPORT names cannot be read (ENOENT): ${missing}\n`,
  })
  expect(await report(directory, ['--progress', '1'])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('EISDIR'),
  })
  const address = 'url = "http://127.0.0.1:1/"\n'
  const header = `header = "Authorization: Bearer ${TOKEN}"\n`
  const broken = [
    '',
    address,
    header,
    `${address}header = "Authorization: Bearer a\\nb${TOKEN}"\n`,
    `${address}header = "Authorization: Bearer \u00fc${TOKEN}"\n`,
    `url = "file:///etc/passwd"\n${header}`,
    `url = "nowhere"\n${header}`,
    `url = "http://ada:${TOKEN}@127.0.0.1:1/"\n${header}`,
  ]
  for (const config of broken) {
    const file = path.join(directory, 'report')
    await writeFile(file, config)
    expect(await report(file, ['--progress', '1'])).toEqual({
      code: 1,
      stdout: '',
      stderr: `telesto: The file that TELESTO_REPORT names holds no address and token of a portal: ${file}\n`,
    })
  }
})

test.for([
  [[], 'Nothing to report: give --status, --message, --progress or --node'],
  [['--json'], 'Nothing to report'],
  [['--progress', 'half'], '--progress must be a number from 0 to 1'],
  [['--progress', '1.5'], '--progress must be a number from 0 to 1'],
  [['--progress', ''], '--progress must be a number from 0 to 1'],
  [['--progress=-1'], '--progress must be a number from 0 to 1'],
  [['--node', 'alone'], '--node takes <name>=<state>, not "alone"'],
  [['--node', '=running'], '--node takes <name>=<state>, not "=running"'],
  [['--progress', '1', '--timeout', '0'], '--timeout must be a number from 0.001 to 600'],
  [['half way'], "Unexpected argument 'half way'"],
  [['--percent', '4'], "Unknown option '--percent'"],
] as const)('called wrongly: %j', async ([args, sentence]) => {
  const { code, stdout, stderr } = await report(await reportFile('http://127.0.0.1:1/'), args)
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr.startsWith(`telesto: ${sentence}`)).toBe(true)
})

test('--help tells the exit codes', async () => {
  vi.stubEnv('TELESTO_REPORT', undefined)
  const { code, stdout } = await report(undefined, ['--help'])
  expect(code).toBe(0)
  expect(stdout).toContain('  4  the portal does not know this attempt')
})
