import { describe, expect, it, onTestFinished } from 'vitest'
import { systemClock } from '../../src/clock.js'
import { createTelesto } from '../../src/index.js'
import type { EventRow } from '../../src/store/events.js'
import { createRecent } from '../../src/web/live/recent.js'
import { createMoments, Shared } from '../../src/web/live/shared.js'
import { telestoIn } from '../database.js'
import { type Asked, type Portal, startPortal } from './support.js'
import { toy } from './toy-adapter.js'

/** A portal for which no time passes but what a test lets pass: what it shares lasts as long as the test wants. */
const startStill = async (options: Parameters<typeof startPortal>[0] = {}) => {
  let now = 0
  const clock = { ...systemClock, monotonic: () => now }
  const pass = (ms: number): void => {
    now += ms
  }
  const portal = await startPortal({ clock, ...options })
  return { portal, pass }
}

/** Another process with the same store, as far as the store can tell. */
const startOther = async ({ directory }: Portal) => {
  const other = await createTelesto({ adapters: [toy], ...(await telestoIn(directory)), runLoops: false })
  onTestFinished(async () => await other.close())
  return other.app('nile')
}

const shown = async (portal: Portal, id: number, as: Asked['as'] & string): Promise<string> => {
  const { status, html } = await portal.page(`/jobs/${id}`, { as })
  expect(status).toBe(200)
  return html
}
const buttonsOf = (html: string): string[] =>
  [...html.matchAll(/<button type="submit" class="(\w+)"/g)].map(([, name = '']) => name)
const sinceOf = (html: string): string => /hx-sse:connect="[^"]*since=(\d+)"/.exec(html)?.[1] ?? ''

/** What the stream of a page says, from where it is asked to begin. */
const follow = async (portal: Portal, id: number, as: Asked['as'] & string, since: string): Promise<() => string> => {
  const ended = new AbortController()
  onTestFinished(() => ended.abort())
  const stream = await fetch(`${portal.origin}/telesto/events?job=${id}&since=${since}`, {
    headers: { 'x-user': as },
    signal: ended.signal,
  })
  let heard = ''
  const reading = (async () => {
    for await (const chunk of stream.body ?? []) heard += new TextDecoder().decode(chunk)
  })()
  reading.catch(() => {})
  return () => heard
}

describe('people who look at a job in the same moment', () => {
  it('see what they may do themselves, and their own name', async () => {
    const { portal } = await startStill({
      visible: () => ({}),
      may: (user, action, job) => action === 'read' || job.user === user.id || (user.id === 'gus' && action === 'stop'),
    })
    const job = await portal.basic('shared', { groups: ['hydro'] })
    await portal.ask(`/telesto/jobs/${job.id}/execute`, { as: 'ada', method: 'POST' })
    const people = ['gus', 'ada', 'bob', 'root', 'ada', 'bob', 'gus'] as const
    const pages = await Promise.all(people.map(async (as) => await shown(portal, job.id, as)))
    const of = (as: (typeof people)[number]) => pages.filter((_, index) => people[index] === as)
    for (const html of of('ada')) expect(buttonsOf(html)).toEqual(['pause', 'stop'])
    for (const html of of('gus')) expect(buttonsOf(html)).toEqual(['stop'])
    for (const html of of('bob')) expect(buttonsOf(html)).toEqual([])
    for (const [index, html] of pages.entries()) {
      const name = { ada: 'Ada Lovelace', bob: 'bob', gus: 'gus', root: 'Grace Hopper' }[people[index] as 'ada']
      expect(/Signed in as <\/span><strong>([^<]*)</.exec(html)?.[1]).toBe(name)
      // Where a request came from is told to administrators alone.
      expect([people[index], /from [\d.:a-f]*127\.0\.0\.1/.test(html)]).toEqual([
        people[index],
        people[index] === 'root',
      ])
    }
  })

  it('are told the same change with what each of them may do', async () => {
    const { portal } = await startStill({
      visible: () => ({}),
      may: (user, action, job) => action === 'read' || job.user === user.id,
    })
    const job = await portal.basic('shared')
    await job.execute()
    const people = ['ada', 'bob', 'root'] as const
    const streams = await Promise.all(
      people.map(async (as) => await follow(portal, job.id, as, sinceOf(await shown(portal, job.id, as)))),
    )
    for (const heard of streams) await expect.poll(heard).toMatch(/^id: /m)
    const before = streams.map((heard) => heard().length)
    await job.updateStatus('Running')
    const told = async (index: number): Promise<string> => {
      const heard = (): string => streams[index]?.().slice(before[index]) ?? ''
      await expect.poll(heard).toContain('hx-target="#job-results"')
      return heard()
    }
    expect(buttonsOf(await told(0))).toEqual(['pause', 'stop'])
    expect(buttonsOf(await told(1))).toEqual([])
    expect(buttonsOf(await told(2))).toEqual([])
    for (const index of people.keys()) expect(await told(index)).toContain('data-status="RUN"')
  })

  it('see the same article where they may do the same; who does not see the job sees nothing of it', async () => {
    const { portal } = await startStill()
    const job = await portal.basic('shared', { groups: ['hydro'] })
    const [first, second] = [await shown(portal, job.id, 'ada'), await shown(portal, job.id, 'gus')]
    const article = (html: string): string => /<article.*<\/article>/s.exec(html)?.[0] ?? ''
    expect(article(first)).toContain('shared')
    expect(article(second)).toBe(article(first))
    expect((await portal.page(`/jobs/${job.id}`, { as: 'bob' })).status).toBe(404)
    expect((await portal.page(`/jobs/${job.id}`, {})).status).toBe(401)
  })

  it('do not see it any more once they may not, whoever changed that', async () => {
    const allowed = new Set(['ada', 'gus'])
    const { portal } = await startStill({ may: (user) => allowed.has(user.id) })
    const job = await portal.basic('shared', { groups: ['hydro'] })
    await shown(portal, job.id, 'gus')
    allowed.delete('gus')
    expect((await portal.page(`/jobs/${job.id}`, { as: 'gus' })).status).toBe(404)
    allowed.add('gus')
    await shown(portal, job.id, 'gus')
    const there = await (await startOther(portal)).getJob(job.id)
    if (!there) throw new Error('The other process does not see the job.')
    there.groups = []
    await there.save()
    expect((await portal.page(`/jobs/${job.id}`, { as: 'gus' })).status).toBe(404)
    expect((await portal.ask(`/telesto/events?job=${job.id}`, { as: 'gus' })).status).toBe(404)
    await there.delete()
    expect((await portal.page(`/jobs/${job.id}`, { as: 'ada' })).status).toBe(404)
  })
})

describe('a page', () => {
  it('shows what this process committed before it was asked for, however often', async () => {
    const { portal } = await startStill()
    const job = await portal.basic('busy')
    await job.execute()
    for (let step = 1; step <= 20; step += 1) {
      job.statusMessage = `step ${step} of 20`
      await job.save()
      expect(await shown(portal, job.id, 'ada')).toContain(`step ${step} of 20`)
    }
    await job.updateParts([{ name: 'one', state: 'running' }])
    expect(await shown(portal, job.id, 'ada')).toContain('1 running')
    await job.updateParts([{ name: 'one', state: 'succeeded' }])
    expect(await shown(portal, job.id, 'ada')).toContain('1 succeeded')
    const reported = await portal.ask(`/telesto/update-job-status/${job.id}`, {
      headers: { authorization: `Bearer ${await portal.reportToken(job.id)}` },
      body: { progress: 0.42 },
    })
    expect(reported.status).toBe(200)
    expect(await shown(portal, job.id, 'ada')).toContain('42 %')
  })

  it('that was being read while something was committed is not told to who asks later', async () => {
    const { portal } = await startStill()
    const job = await portal.basic('busy')
    for (let step = 1; step <= 20; step += 1) {
      job.description = `step ${step} of 20`
      const reading = Array.from({ length: 5 }, async () => await shown(portal, job.id, 'ada'))
      await job.save()
      expect(await shown(portal, job.id, 'ada')).toContain(`step ${step} of 20`)
      await Promise.all(reading)
    }
  })

  it('shows the status that another process stored at once, and all else after a second', async () => {
    const { portal, pass } = await startStill()
    const job = await portal.basic('elsewhere')
    await job.execute()
    expect(await shown(portal, job.id, 'ada')).toContain('Submitted')
    const there = await (await startOther(portal)).getJob(job.id)
    if (!there) throw new Error('The other process does not see the job.')
    await there.updateStatus('Running')
    expect(await shown(portal, job.id, 'ada')).toContain('Running')
    there.description = 'described elsewhere'
    await there.save()
    pass(1000)
    expect(await shown(portal, job.id, 'ada')).toContain('described elsewhere')
  })

  it('that is older than what another process stored hears of it when its stream opens', async () => {
    const { portal } = await startStill()
    const job = await portal.basic('elsewhere')
    const before = await shown(portal, job.id, 'ada')
    const there = await (await startOther(portal)).getJob(job.id)
    if (!there) throw new Error('The other process does not see the job.')
    there.description = 'described elsewhere'
    await there.save()
    const page = await shown(portal, job.id, 'ada')
    // It is the same moment still, and the page says so to its stream.
    expect(page).not.toContain('described elsewhere')
    expect(sinceOf(page)).toBe(sinceOf(before))
    const heard = await follow(portal, job.id, 'ada', sinceOf(page))
    await expect.poll(heard).toContain('described elsewhere')
  })
})

describe('what is shared', () => {
  it('is made once, again where it failed, and kept up to a number of things', async () => {
    const shared = new Shared(3)
    let made = 0
    const make = async (): Promise<number> => {
      made += 1
      return made
    }
    expect(await Promise.all(['a', 'b', 'a'].map(async (key) => await shared.once(key, make)))).toEqual([1, 2, 1])
    await expect(shared.once('c', async () => await Promise.reject(new Error('unreadable')))).rejects.toThrow(
      'unreadable',
    )
    expect(await shared.once('c', make)).toBe(3)
    // It is full: what comes now is made each time.
    expect([await shared.once('d', make), await shared.once('d', make), await shared.once('a', make)]).toEqual([
      4, 5, 1,
    ])
  })

  it('ends after a second, and with each change; one that could not begin is begun again', async () => {
    let [now, changes, newest] = [0, 0, 6]
    let fails = true
    const all = async () => {
      if (fails) throw new Error('unreadable')
      newest += 1
      return [{ id: newest }] as object[] as never[]
    }
    const moments = createMoments({ monotonic: () => now }, { changes: () => changes }, { all })
    await expect(moments.now()).rejects.toThrow('unreadable')
    fails = false
    const [first, same] = await Promise.all([moments.now(), moments.now()])
    expect([first.newest, same]).toEqual([7, first])
    now = 999
    expect(await moments.now()).toBe(first)
    now = 1000
    const second = await moments.now()
    expect(second.newest).toBe(8)
    changes += 1
    const third = await moments.now()
    expect(third.newest).toBe(9)
    expect(await moments.now()).toBe(third)
    const fourth = await moments.renew()
    expect(fourth.newest).toBe(10)
    expect(await moments.now()).toBe(fourth)
  })
})

describe('the events that were told last', () => {
  const event = (id: number): EventRow => ({
    id,
    kind: 'status',
    at: 0,
    app: 'nile',
    jobId: 1,
    attempt: 1,
    schedulerId: null,
    data: '{}',
  })
  const ids = (events: readonly EventRow[] | undefined): number[] | undefined => events?.map(({ id }) => id)

  it('give what came with one or after it, also with a lower id; and are not all remembered', () => {
    const recent = createRecent()
    expect(recent.since(1)).toBeUndefined()
    recent.add([event(1), event(2)])
    recent.add([event(4), event(5)])
    recent.add([event(3), event(6)])
    expect([1, 4, 5, 6, 7].map((id) => ids(recent.since(id)))).toEqual([
      [2, 4, 5, 3, 6],
      [5, 3, 6],
      [4, 3, 6],
      [3],
      undefined,
    ])
    recent.add(Array.from({ length: 1996 }, (_, index) => event(10 + index)))
    expect([1, 4].map((id) => recent.since(id)?.length)).toEqual([undefined, 1999])
    recent.forget()
    expect(recent.since(10)).toBeUndefined()
  })
})
