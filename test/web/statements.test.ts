import { beforeEach, expect, it, onTestFinished, vi } from 'vitest'
import { systemClock } from '../../src/clock.js'
import { startPortal } from './support.js'

const count = vi.hoisted(() => ({ statements: 0 }))

// Every database of this file counts what is read outside transactions.
vi.mock('../../src/store/open.js', async (original) => {
  const module = await original<typeof import('../../src/store/open.js')>()
  return {
    ...module,
    openDatabase: async (options: Parameters<typeof module.openDatabase>[0]) => {
      const database = await module.openDatabase(options)
      const all = database.all.bind(database)
      database.all = async (sql, params) => {
        count.statements += 1
        return await all(sql, params)
      }
      return database
    },
  }
})

beforeEach(() => {
  count.statements = 0
})

it('the page of jobs costs as many statements with 10,000 jobs as with 60, whatever the size of the page', async () => {
  const portal = await startPortal()
  const make = async (jobs: number): Promise<void> => {
    await portal.nile.bulkCreate(
      Array.from({ length: jobs }, (_, index) => ({
        name: `job ${index}`,
        user: 'ada',
        jobType: 'TOY' as const,
        manual: true,
        tags: { seed: String(index) },
        groups: ['hydro'],
      })),
    )
  }
  const cost = async (where: string): Promise<number> => {
    count.statements = 0
    expect((await portal.page(where)).status).toBe(200)
    return count.statements
  }
  await make(60)
  const few = await cost('/jobs')
  expect(few).toBeGreaterThan(3)
  expect(few).toBeLessThan(10)
  for (let i = 0; i < 20; i += 1) await make(500)
  for (const query of [
    '',
    '?pageSize=1',
    '?pageSize=500',
    '?page=100',
    '?sort=name&search=job&status=Pending&pageSize=500',
  ]) {
    expect([query, await cost(`/jobs${query}`)]).toEqual([query, few])
  }
  const { html } = await portal.page('/jobs')
  expect(html).toContain('1–50 of 10,000+')
  expect((await portal.api('/jobs?limit=500')).json).toMatchObject({ total: 10_000, totalCapped: true })
})

it('news of a job cost a statement for each person who follows it: which jobs they see; all else is read once for all', async () => {
  const users = Array.from({ length: 30 }, (_, index) => ({ id: `user${index}`, groups: ['hydro'] }))
  const portal = await startPortal({ identify: (req) => users.find(({ id }) => id === req.get('x-user')) })
  const job = await portal.nile.createJob({ name: 'run', user: 'ada', groups: ['hydro'], jobType: 'TOY', manual: true })
  let heard = 0
  const follow = async (as: string): Promise<void> => {
    const ended = new AbortController()
    onTestFinished(() => ended.abort())
    const headers = { 'x-user': as }
    const response = await fetch(`${portal.origin}/telesto/events?job=${job.id}`, { headers, signal: ended.signal })
    const { promise, resolve } = Promise.withResolvers<void>()
    const read = async (): Promise<void> => {
      for await (const chunk of response.body ?? []) {
        const text = new TextDecoder().decode(chunk)
        if (/^id: /m.test(text)) resolve()
        if (text.includes('hx-target="#job-head"')) heard += 1
      }
    }
    void read().catch(() => {})
    await promise
  }
  const cost = async (): Promise<number> => {
    heard = 0
    const before = count.statements
    job.description = `${job.description}.`
    await job.save()
    await expect.poll(() => heard).toBe(following)
    return count.statements - before
  }
  let following = 2
  for (const { id } of users.slice(0, 2)) await follow(id)
  const ofTwo = await cost()
  following = 30
  for (const { id } of users.slice(2)) await follow(id)
  const ofThirty = await cost()
  expect(ofThirty - ofTwo).toBeLessThanOrEqual(28 + 8) // the feed may look once more
  expect(ofThirty).toBeGreaterThanOrEqual(30)
})

it('a job that many people open in the same moment is read once: each of them costs what tells that they see it', async () => {
  const users = Array.from({ length: 30 }, (_, index) => ({ id: `user${index}`, groups: ['hydro'] }))
  const portal = await startPortal({
    identify: (req) => users.find(({ id }) => id === req.get('x-user')),
    // No time passes: the feed looks when something was committed, and not besides.
    clock: {
      ...systemClock,
      monotonic: () => 0,
      sleep: async (ms, signal) => await systemClock.sleep(ms < 1000 ? ms : 2 ** 31 - 1, signal),
    },
  })
  const job = await portal.nile.createJob({ name: 'run', user: 'ada', groups: ['hydro'], jobType: 'TOY', manual: true })
  const ended = new AbortController()
  onTestFinished(() => ended.abort())
  const ask = async (as: string, where: string): Promise<Response> => {
    const headers = { 'x-user': as }
    const response = await fetch(`${portal.origin}/telesto${where}`, { headers, signal: ended.signal })
    expect(response.status).toBe(200)
    return response
  }
  const open = async (as: string): Promise<string> => await (await ask(as, `/jobs/${job.id}`)).text()
  /** Opens the stream of a page; what it answers waits until the stream has said something. */
  const follow = async (as: string, page: string) => {
    const [, where = ''] = /hx-sse:connect="\/telesto([^"]+)"/.exec(page) ?? []
    const stream = await ask(as, where.replaceAll('&amp;', '&'))
    let text = ''
    const reading = (async () => {
      for await (const chunk of stream.body ?? []) text += new TextDecoder().decode(chunk)
    })()
    reading.catch(() => {})
    return async (said: RegExp): Promise<void> => await expect.poll(() => said.test(text)).toBe(true)
  }
  const ready = /^id: /m
  const [first = '', ...others] = users.map(({ id }) => id)
  const hears = await follow(first, await open(first))
  await hears(ready)
  job.description = 'described'
  await job.save()
  await hears(/described/)
  expect(await open(first)).toContain('described')
  count.statements = 0
  const pages = await Promise.all(others.map(async (as) => [as, await open(as)] as const))
  expect(new Set(pages.map(([, html]) => /<article.*<\/article>/s.exec(html)?.[0])).size).toBe(1)
  expect(count.statements).toBe(others.length * 2)
  await Promise.all(pages.map(async ([as, html]) => await (await follow(as, html))(ready)))
  expect(count.statements).toBe(others.length * 4)
})
