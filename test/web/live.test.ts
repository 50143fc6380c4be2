import { describe, expect, it, onTestFinished } from 'vitest'
import { systemClock } from '../../src/clock.js'
import type { Core } from '../../src/core.js'
import type { EventFeed, Listener } from '../../src/event-feed.js'
import type { EventRow } from '../../src/store/events.js'
import { createLive, type LiveView } from '../../src/web/live/live.js'
import { createMoments } from '../../src/web/live/shared.js'
import type { Sink } from '../../src/web/live/sink.js'
import { ada, identify, type Portal, startPortal } from './support.js'

interface Message {
  readonly id: string
  readonly event: string
  readonly data: string
}

/** Reads a stream as a browser does. */
const openStream = async (portal: Portal, query: string, as = 'ada', headers: Record<string, string> = {}) => {
  const ended = new AbortController()
  const response = await fetch(`${portal.origin}/telesto/events?${query}`, {
    headers: { 'x-user': as, ...headers },
    signal: ended.signal,
  })
  const messages: Message[] = []
  let raw = ''
  let over = false
  const read = async (): Promise<void> => {
    const decoder = new TextDecoder()
    let rest = ''
    for await (const chunk of response.body ?? []) {
      raw += decoder.decode(chunk, { stream: true })
      rest += decoder.decode(chunk)
      const blocks = rest.split('\n\n')
      rest = blocks.pop() ?? ''
      for (const block of blocks) {
        const fields = (name: string): string[] =>
          block
            .split(/\r\n|\r|\n/)
            .flatMap((line) => (line.startsWith(`${name}: `) ? [line.slice(name.length + 2)] : []))
        const message = {
          id: fields('id').at(-1) ?? '',
          event: fields('event').at(-1) ?? '',
          data: fields('data').join('\n'),
        }
        if (message.data !== '' || message.event !== '') messages.push(message)
      }
    }
  }
  const done = read()
    .catch(() => {})
    .finally(() => {
      over = true
    })
  onTestFinished(() => ended.abort())
  return {
    response,
    messages,
    raw: () => raw,
    over: () => over,
    end: () => ended.abort(),
    done,
    /** Waits until a message holds the text. */
    async until(text: string): Promise<Message> {
      await expect
        .poll(() => messages.some((message) => message.data.includes(text) || message.event === text))
        .toBe(true)
      return messages.find((message) => message.data.includes(text) || message.event === text) as Message
    },
    /** The stream has told where it stands: what comes later is news. */
    async ready(): Promise<void> {
      await expect.poll(() => /^id: \d+$/m.test(raw)).toBe(true)
    },
  }
}

const lastEvent = async (portal: Portal): Promise<number> =>
  (await portal.sql<{ id: number }>('SELECT MAX(id) AS id FROM telesto_events'))[0]?.id ?? 0

describe('the stream of a list', () => {
  it('tells the rows that changed, rendered as on the page, with the id of the event', async () => {
    const portal = await startPortal()
    const job = await portal.basic('watched')
    const other = await portal.basic('not shown')
    const stream = await openStream(portal, `ids=${job.id}`)
    expect(stream.response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
    expect(stream.response.headers.get('cache-control')).toBe('no-store, no-transform')
    expect(stream.response.headers.get('x-accel-buffering')).toBe('no')
    await stream.ready()
    await other.execute()
    await job.execute()
    const news = await stream.until('Submitted')
    expect(news.data).toContain(`<hx-partial hx-target="#job-${job.id}" hx-swap="outerMorph"><tr id="job-${job.id}"`)
    expect(Number(news.id)).toBeGreaterThan(0)
    expect(stream.messages.every(({ data }) => !data.includes('not shown'))).toBe(true)
  })

  it('tells several events of one job in one message', async () => {
    const portal = await startPortal()
    const job = await portal.basic('busy')
    const since = await lastEvent(portal)
    await job.execute()
    await job.updateStatus('Running')
    await job.updateStatus('Complete')
    const stream = await openStream(portal, `ids=${job.id}&since=${since}`)
    await stream.until('Complete')
    await stream.ready()
    expect(stream.messages).toHaveLength(1)
  })

  it('puts new jobs on top of the first page, and tells of them elsewhere', async () => {
    const portal = await startPortal()
    const old = await portal.basic('old')
    const top = await openStream(portal, `ids=${old.id}`)
    const filtered = await openStream(portal, `ids=${old.id}&search=other`)
    const sorted = await openStream(portal, `ids=${old.id}&sort=name`)
    const later = await openStream(portal, `ids=${old.id}&page=2`)
    await Promise.all([top, filtered, sorted, later].map((stream) => stream.ready()))
    const fresh = await portal.basic('fresh')
    const inserted = await top.until('fresh')
    expect(inserted.data).toContain(`<hx-partial hx-target="#rows" hx-swap="afterbegin"><tr id="job-${fresh.id}"`)
    expect((await sorted.until('belongs')).data).toContain('href="/telesto/jobs?sort=name"')
    // The row that was inserted is one of the page's own from now on.
    await fresh.execute()
    await top.until(`hx-target="#job-${fresh.id}"`)
    expect(filtered.messages).toEqual([])
    expect(later.messages).toEqual([])
    expect(sorted.messages).toHaveLength(1)
  })

  it('with many new jobs, or the first ones, says that the page should read itself', async () => {
    const portal = await startPortal()
    const empty = await openStream(portal, '')
    await empty.ready()
    await portal.basic('the first')
    await empty.until('refresh')
    const full = await openStream(portal, 'ids=1')
    await full.ready()
    await portal.nile.bulkCreate(
      Array.from({ length: 200 }, () => ({ name: 'many', user: 'ada', jobType: 'TOY' as const, manual: true })),
    )
    await full.until('refresh')
    expect(full.messages).toHaveLength(1)
  })

  it('takes the row of a deleted job away', async () => {
    const portal = await startPortal()
    const job = await portal.basic('doomed')
    const stream = await openStream(portal, `ids=${job.id}`)
    await stream.ready()
    await job.delete()
    expect((await stream.until('delete')).data).toContain(`<hx-partial hx-target="#job-${job.id}" hx-swap="delete">`)
  })
})

describe('the stream of a job', () => {
  it('tells every part of its page', async () => {
    const portal = await startPortal()
    const job = await portal.basic('one')
    const stream = await openStream(portal, `job=${job.id}`)
    await stream.ready()
    await job.execute()
    const { data } = await stream.until('Submitted')
    for (const id of ['job-head', 'job-facts', 'job-timeline', 'job-attempts', 'job-parts', 'job-results']) {
      expect(data).toContain(`hx-target="#${id}"`)
    }
    await job.stop()
    await job.delete()
    await stream.until('was deleted')
  })

  it('that waits tells how the parents that its page shows are, and of no other job', async () => {
    const portal = await startPortal()
    const [parent, later, other] = [
      await portal.basic('parent'),
      await portal.basic('later'),
      await portal.basic('other'),
    ]
    const child = await portal.nile.createJob({
      name: 'child',
      user: 'ada',
      jobType: 'TOY',
      parents: [parent.id, later.id],
    })
    const { html } = await portal.page(`/jobs/${child.id}`)
    const address = html.match(/hx-sse:connect="[^"?]*\?([^"]*)"/)?.[1]?.replaceAll('&amp;', '&') ?? ''
    expect(new URLSearchParams(address).get('ids')).toBe(`${parent.id}-${later.id}`)
    const stream = await openStream(portal, `job=${child.id}&ids=${parent.id},${other.id}`)
    await stream.ready()
    await other.updateStatus('Error')
    await parent.updateStatus('Running')
    expect((await stream.until('hx-target="#job-facts"')).data).toContain('Running')
    expect(stream.messages).toHaveLength(1)
    // It shows the other parent too now.
    await later.updateStatus('Paused')
    await stream.until('Paused')
    for (const ids of ['1-601', 'x'])
      expect((await portal.ask(`/telesto/events?job=${child.id}&ids=${ids}`, { as: 'ada' })).status).toBe(400)
  })

  it('keeps text of a job from ending a message', async () => {
    const portal = await startPortal()
    const job = await portal.basic('lines')
    const stream = await openStream(portal, `job=${job.id}`)
    await stream.ready()
    job.statusMessage = 'one\rid: 99999999\revent: refresh\r\n\r\ndata: <script>alert(1)</script>\n\nend'
    await job.save()
    const { data } = await stream.until('end')
    expect(data).toContain('&lt;script>alert(1)')
    expect(stream.raw()).not.toMatch(/\r|^event:|^id: 99999999/m)
  })
})

describe('replay', () => {
  it('tells what happened since the event that the page knows, and nothing twice', async () => {
    const portal = await startPortal()
    const job = await portal.basic('missed')
    const since = await lastEvent(portal)
    await job.execute()
    const byHeader = await openStream(portal, `ids=${job.id}&since=999999`, 'ada', { 'last-event-id': String(since) })
    await byHeader.until('Submitted')
    const known = await openStream(portal, `ids=&job=${job.id}&since=${await lastEvent(portal)}`)
    await known.ready()
    await job.updateStatus('Running')
    await known.until('Running')
  })

  it('from an event that is unknown, or too long ago, is a full refresh', async () => {
    const portal = await startPortal()
    const job = await portal.basic('a')
    for (const since of ['999999', 'x', '-1', '1.5', '']) {
      const stream = await openStream(portal, `ids=${job.id}`, 'ada', {
        'last-event-id': since === '' ? 'none' : since,
      })
      await stream.until('refresh')
      expect(stream.messages).toMatchObject([{ event: 'refresh', id: String(await lastEvent(portal)) }])
    }
    const first = await lastEvent(portal)
    for (let i = 0; i < 3; i += 1) {
      await portal.nile.bulkCreate(
        Array.from({ length: 500 }, () => ({ name: 'n', user: 'ada', jobType: 'TOY' as const, manual: true })),
      )
    }
    const behind = await openStream(portal, `job=${job.id}&since=${first}`)
    await behind.until('refresh')
  })
})

describe('who may listen', () => {
  it('nobody gets 401, a job of others 404, and a list shows only what is theirs', async () => {
    const portal = await startPortal()
    const mine = await portal.basic('mine')
    const theirs = await portal.basic('theirs', { user: 'bob' })
    expect((await portal.ask('/telesto/events')).status).toBe(401)
    expect((await portal.ask(`/telesto/events?job=${theirs.id}`, { as: 'ada' })).status).toBe(404)
    const stream = await openStream(portal, `ids=${mine.id},${theirs.id}`)
    const admin = await openStream(portal, `ids=${mine.id},${theirs.id}`, 'root')
    await Promise.all([stream.ready(), admin.ready()])
    await theirs.execute()
    await portal.basic('new of bob', { user: 'bob' })
    await admin.until('new of bob')
    await mine.execute()
    await stream.until('Submitted')
    const told = stream.messages.map(({ data }) => data).join('')
    expect(told).not.toContain('theirs')
    expect(told).not.toContain('new of bob')
  })

  it('a stream asks again who it is, and ends with the session', async () => {
    let beat = (): void => {}
    let shift = 0
    let signedIn = true
    let asked = 0
    const portal = await startPortal({
      identify: (req) => {
        asked += 1
        return signedIn ? identify(req) : undefined
      },
      clock: {
        monotonic: () => performance.now() + shift,
        databaseOffset: () => 0,
        sleep: async (ms, signal) =>
          ms === 25_000
            ? await new Promise<void>((resolve) => {
                beat = resolve
                signal?.addEventListener('abort', () => resolve(), { once: true })
              })
            : await systemClock.sleep(ms, signal),
      },
    })
    const job = await portal.basic('a')
    const stream = await openStream(portal, `ids=${job.id}`)
    await stream.ready()
    expect(asked).toBe(1)
    shift += 25_000
    beat()
    await expect.poll(() => stream.raw()).toContain(': still here')
    expect(asked).toBe(1)
    shift += 60_000
    beat()
    await expect.poll(() => asked).toBe(2)
    expect(stream.over()).toBe(false)
    signedIn = false
    shift += 60_000
    await new Promise((resolve) => setTimeout(resolve, 20))
    beat()
    await stream.done
    expect(asked).toBe(3)
  })

  it('wrong input is a coded error', async () => {
    const portal = await startPortal()
    for (const [query, field] of [
      ['ids=1-', 'ids'],
      ['ids=5-1', 'ids'],
      ['ids=1-100000000', 'ids'],
      ['ids=a', 'ids'],
      ['job=x', 'job'],
      ['sort=owner', 'sort'],
      ['page=2&offset=5', 'offset'],
    ] as const) {
      const response = await portal.ask(`/telesto/events?${query}`, { as: 'ada' })
      const { error } = (await response.json()) as { error: { field: string } }
      expect([query, response.status, error.field]).toEqual([query, 400, field])
    }
  })

  it('one user has so many streams at the most, and gets back those that end', async () => {
    const portal = await startPortal()
    const streams = await Promise.all(Array.from({ length: 40 }, async () => await openStream(portal, '')))
    await Promise.all(streams.map((stream) => stream.ready()))
    const refused = await portal.ask('/telesto/events', { as: 'ada' })
    expect([refused.status, ((await refused.json()) as { error: { code: string } }).error.code]).toEqual([
      429,
      'too_many_requests',
    ])
    const other = await openStream(portal, '', 'bob')
    await other.ready()
    streams[0]?.end()
    await expect
      .poll(async () => {
        const stream = await openStream(portal, '')
        return stream.response.status
      })
      .toBe(200)
  })

  it('all streams end when Telesto closes', async () => {
    const portal = await startPortal()
    const stream = await openStream(portal, '')
    await stream.ready()
    await portal.telesto.close()
    await stream.done
    expect(stream.over()).toBe(true)
  })
})

describe('many viewers', () => {
  const event: EventRow = {
    id: 7,
    kind: 'status',
    at: 0,
    app: 'nile',
    jobId: 1,
    attempt: 1,
    schedulerId: null,
    data: '{}',
  }
  const setUp = () => {
    let listener: Listener = () => {}
    let stopped = 0
    const feed: EventFeed = {
      subscribe: async (given) => {
        listener = given
        return {
          from: 0,
          stop: () => {
            stopped += 1
          },
        }
      },
      wake: () => {},
      changes: () => 0,
      close: () => {},
    }
    const core = {
      clock: systemClock,
      log: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
      database: { all: async () => [{ id: 6 }] },
    } as unknown as Core
    return {
      live: createLive(core, feed, createMoments(systemClock, feed, core.database)),
      tell: (events: readonly EventRow[]) => listener(events),
      stopped: () => stopped,
    }
  }
  const sink = (waiting: number) => {
    const gone = new AbortController()
    const written: string[] = []
    const made: Sink = {
      write: (chunk) => void written.push(Buffer.from(chunk).toString()),
      waiting,
      end: () => gone.abort(),
      drop: () => gone.abort(),
      gone: gone.signal,
    }
    return { sink: made, written, gone: gone.signal, leave: () => gone.abort() }
  }

  it('with the same rights cost one reading and one rendering of a change', async () => {
    const { live, tell } = setUp()
    let made = 0
    const view: LiveView = {
      shows: () => [],
      news: async (batch) => ({
        html: await batch.once('row 1', async () => {
          made += 1
          return `row ${made}`
        }),
      }),
    }
    const viewers = Array.from({ length: 30 }, () => sink(0))
    for (const { sink: one } of viewers) void live.open(one, { user: ada, identify: async () => ada, view }, undefined)
    await expect.poll(() => viewers.every(({ written }) => written.includes('id: 6\n\n'))).toBe(true)
    tell([event])
    await expect.poll(() => viewers.every(({ written }) => written.includes('id: 7\ndata: row 1\n\n'))).toBe(true)
    expect(made).toBe(1)
    live.close()
    await expect.poll(() => viewers.every(({ gone }) => gone.aborted)).toBe(true)
  })

  it('one whose news cannot be made is dropped, and the others are told', async () => {
    const { live, tell } = setUp()
    const fine: LiveView = { shows: () => [], news: async () => ({ html: 'news' }) }
    const broken: LiveView = { shows: () => [], news: async () => await Promise.reject(new Error('unreadable')) }
    const [first, second] = [sink(0), sink(0)]
    for (const [{ sink: one }, view] of [
      [first, broken],
      [second, fine],
    ] as const)
      void live.open(one, { user: ada, identify: async () => ada, view }, undefined)
    await expect.poll(() => second.written.includes('id: 6\n\n')).toBe(true)
    tell([event])
    await expect.poll(() => second.written.at(-1)).toBe('id: 7\ndata: news\n\n')
    expect([first.gone.aborted, second.gone.aborted]).toEqual([true, false])
    live.close()
  })

  it('that do not read are dropped, and the others are told', async () => {
    const { live, tell, stopped } = setUp()
    const view: LiveView = { shows: () => [], news: async () => ({ html: 'news' }) }
    const slow = sink(1_000_000)
    const quick = sink(0)
    for (const { sink: one } of [slow, quick])
      void live.open(one, { user: ada, identify: async () => ada, view }, undefined)
    await expect.poll(() => quick.written.includes('id: 6\n\n')).toBe(true)
    tell([event])
    await expect.poll(() => quick.written.at(-1)).toBe('id: 7\ndata: news\n\n')
    expect(slow.gone.aborted).toBe(true)
    expect(slow.written.join('')).not.toContain('news')
    expect(stopped()).toBe(0)
    quick.leave()
    await expect.poll(stopped).toBe(1)
  })
})
