import { mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Portal, startPortal } from '../support.js'
import { type Answered, type Judge, judgeOf } from './agreement.js'
import { operationsOf, readDocument } from './document.js'
import { requestsOf, type Sent } from './requests.js'

// OPENAPI_SEED=<seed> replays a run that failed; OPENAPI_RUNS=<number> makes it longer.
const RUNS = Number(process.env.OPENAPI_RUNS ?? 2500)
const SEED = process.env.OPENAPI_SEED
/** A new job takes the place of one that may have been deleted, once in so many requests. */
const RENEWED_AFTER = 20

/** Jobs of two users in the states that there are; the n-th kind of them. */
const makeJob = async (portal: Portal, n: number): Promise<number> => {
  const user = n % 3 === 0 ? 'bob' : 'ada'
  const groups = n % 4 === 0 ? ['hydro'] : []
  if (n % 5 === 4) {
    const job = await portal.nile.createJob({ name: `scheduled ${n}`, user, jobType: 'TOY', groups })
    await job.execute()
    return job.id
  }
  const job = await portal.basic(`job {id} <b>${n}</b>`, { user, groups, tags: { basin: 'nile' } })
  const statuses = [undefined, 'Submitted', 'Running', 'Paused', 'Complete', 'Error', 'Calibrating', 'Aborted'] as const
  const status = statuses[n % statuses.length]
  if (status === undefined) return job.id
  await job.execute()
  const directory = await portal.workdir(job.id)
  await mkdir(path.join(directory, 'sub'), { recursive: true })
  await writeFile(path.join(directory, 'plot.svg'), '<svg xmlns="http://www.w3.org/2000/svg"/>')
  await writeFile(path.join(directory, 'sub', 'a.txt'), 'a')
  if (status !== 'Submitted') await job.updateStatus(status)
  return job.id
}

const CANARY = 'canary-4f2a-of-a-header'

const send = async (portal: Portal, sent: Sent, jobId: string): Promise<Answered> => {
  const token = { none: undefined, right: '', wrong: `Bearer ${CANARY}`, garbled: `Basic ${CANARY}` }[sent.token]
  const right = sent.token === 'right' ? `Bearer ${(await portal.reportToken(Number(jobId) || 0)) || 'x'}` : token
  const abort = new AbortController()
  const where = `${sent.told.path.replace('{id}', jobId)}${sent.query === '' ? '' : `?${sent.query}`}`
  const response = await fetch(`${portal.origin}/telesto${where}`, {
    method: sent.method,
    redirect: 'manual',
    signal: abort.signal,
    headers: {
      'x-user': sent.as,
      'x-canary': CANARY,
      ...sent.headers,
      ...(right === undefined ? {} : { authorization: right }),
      ...(sent.body?.type === undefined ? {} : { 'content-type': sent.body.type }),
    },
    ...(sent.body === undefined ? {} : { body: sent.body.bytes as BodyInit }),
  })
  const stream = response.headers.get('content-type')?.startsWith('text/event-stream') === true
  const text = stream ? '' : await response.text()
  abort.abort()
  return { status: response.status, headers: response.headers, text }
}

/** What an answer to any request must hold; a sentence where it does not. */
const complaint = (sent: Sent, answer: Answered, judge: Judge): string | undefined => {
  const { method, path: where, operation } = sent.told
  if (answer.status >= 500 && answer.status !== 503) return `${answer.status}: ${answer.text}`
  if (sent.method === 'HEAD' && method === 'get') return answer.text === '' ? undefined : 'HEAD has a body'
  if (sent.method.toLowerCase() !== method) {
    // The two operations of one path are judged by their own requests.
    if (where.startsWith('/update-job-status') && ['GET', 'HEAD', 'POST'].includes(sent.method)) return undefined
    if (answer.status === 400 && String(sent.id).includes('%')) return undefined
    return answer.status === 405 && answer.headers.has('allow') ? undefined : `${answer.status} for ${sent.method}`
  }
  const undocumented = judge.answer(operation, answer)
  if (undocumented !== undefined) return undocumented
  // A poke does not look at its body.
  const reads = operation.operationId !== 'reportJob' || sent.token === 'right'
  const body = Buffer.from(sent.body?.bytes ?? '').toString()
  if (answer.status === 200 && reads && sent.body?.type === 'application/json' && body.trim() !== '') {
    const forbidden = judge.body(operation, body)
    if (forbidden !== undefined) return `it was accepted, though ${forbidden}`
  }
  const code = answer.status === 400 ? (JSON.parse(answer.text) as { error: { code: string } }).error.code : undefined
  const bothPages = /(^|&)page(Size)?=/.test(sent.query) && /(^|&)(offset|limit)=/.test(sent.query)
  if (sent.asDocumented && code !== undefined && code !== 'unsafe_path' && !bothPages) {
    return `it was as documented, and refused: ${answer.text}`
  }
  return undefined
}

test('whatever is sent, no operation answers outside the document', { timeout: 120_000 }, async () => {
  const portal = await startPortal({
    runLoops: true,
    url: 'http://127.0.0.1/telesto',
    rateLimits: { api: 1e9, callback: 1e9 },
  })
  const document = await readDocument(portal)
  const judge = judgeOf(document)
  const operations = operationsOf(document)
  const pool = await Promise.all(Array.from({ length: 30 }, async (_, n) => await makeJob(portal, n)))
  const key = await readFile(path.join(portal.directory, 'report.key'))
  const secrets = [CANARY, key.toString('hex'), key.toString('base64'), key.toString('base64url')]
  for (const id of pool) if ((await portal.workdir(id)) !== '') secrets.push(await portal.reportToken(id))
  let count = 0
  let done = 0
  const property = fc.asyncProperty(fc.oneof(...operations.map(requestsOf)), async (sent) => {
    count += 1
    if (count % RENEWED_AFTER === 0) {
      const n = count / RENEWED_AFTER
      pool[n % pool.length] = await makeJob(portal, n)
    }
    // Longer addresses are refused by Node itself, before anybody is asked.
    fc.pre(sent.query.length < 12_000)
    const jobId = typeof sent.id === 'number' ? String(pool[sent.id % pool.length]) : sent.id
    const answer = await send(portal, sent, jobId)
    const wrong =
      complaint(sent, answer, judge) ??
      (secrets.some((secret) => answer.text.includes(secret)) ? `a secret: ${answer.text}` : undefined)
    if (answer.status === 200) done += 1
    if (wrong !== undefined) throw new Error(`${sent.method} ${sent.told.path} for job ${jobId}: ${wrong}`)
  })
  const seed = SEED === undefined ? Math.trunc(Math.random() * 2 ** 31) : Number(SEED)
  const result = await fc.check(property, { numRuns: RUNS, seed, endOnFailure: true })
  if (result.failed) {
    const cause = result.errorInstance instanceof Error ? result.errorInstance.message : String(result.errorInstance)
    throw new Error(
      `${cause}\nOPENAPI_SEED=${seed} replays it.\n${fc.stringify({ ...result.counterexample?.[0], told: undefined })}`,
    )
  }
  expect(portal.logged).toEqual([])
  // It was no test of refusals alone.
  expect(done).toBeGreaterThan(RUNS / 10)
})
