import type { User } from '../../access.js'
import type { Core } from '../../core.js'
import { TelestoError } from '../../errors.js'
import type { EventFeed } from '../../event-feed.js'
import { type EventRow, eventsAfter, eventsById, lastEventId, recentEventIds } from '../../store/events.js'
import { keyOf } from '../identity.js'
import { Batch, type Burst, type Changes, changesOf } from './batch.js'
import { createRecent } from './recent.js'
import { type Moment, type Moments, Shared } from './shared.js'
import { bodyOf, comment, message, type News, type Sink } from './sink.js'

/** What a page shows, and how it learns what changed. It keeps what its browser was told. */
export interface LiveView {
  /** Of the changed jobs those that it shows now: they are read for all viewers with the same rights at once. */
  shows(changes: Changes): readonly number[]
  /** What the browser is told of a batch, or undefined for nothing. */
  news(batch: Batch): Promise<News | undefined>
}

/** The event streams of one Telesto. They share one reading of the store, and one rendering for each kind of viewer. */
export interface Live {
  /**
   * Streams to `sink` until it, the session or Telesto ends. `since` is the last event that the page knows: what came after
   * it is told first. Throws `too_many_requests` beyond the streams that one user may have.
   */
  open(sink: Sink, viewer: Viewer, since: string | undefined): Promise<void>
  /** How many streams this user may still open. Throws `too_many_requests` where it is none. */
  admit(user: User): void
  close(): void
}

export interface Viewer {
  readonly user: User
  readonly identify: () => Promise<User | undefined>
  readonly view: LiveView
}

const HEARTBEAT_MS = 25_000
const IDENTIFY_MS = 60_000
/** So many streams for one user: tabs, not programs. */
const MAX_STREAMS = 40
/** So much may wait for a client that does not read; then it is dropped, and comes back when it can. */
const MAX_WAITING = 512 * 1024
/** Events after `since` that are told one by one; beyond them a page reads itself again. */
const MAX_REPLAY = 1000
/** As the feed does: ids of parallel transactions may commit out of order. */
const WINDOW_MS = 10_000

/** How an event is called in a stream. */
const ID = /^\d{1,15}$/

interface Stream {
  readonly sink: Sink
  readonly viewer: Viewer
  user: User
  lastId: number
}

export const createLive = (core: Core, feed: Pick<EventFeed, 'subscribe'>, moments: Moments): Live => {
  const streams = new Set<Stream>()
  const opened = new Map<string, number>()
  const closing = new AbortController()
  const recent = createRecent()
  const messages = new WeakMap<News, { readonly id: number; readonly bytes: Uint8Array }>()
  let subscribed: Promise<() => void> | undefined
  let pending: EventRow[] = []
  let work = Promise.resolve()

  /** One thing after the other, so that nothing older overtakes something newer. */
  const inTurn = (task: () => Promise<void>): Promise<void> => {
    work = work.then(task).catch((error: unknown) => {
      if (!closing.signal.aborted) core.log.error({ error: String(error) }, 'News were not sent.')
    })
    return work
  }
  const listen = (events: readonly EventRow[]): void => {
    const waits = pending.length > 0
    recent.add(events)
    pending.push(...events)
    // What arrives while a batch is being rendered is told in one message after it.
    if (!waits) {
      void inTurn(async () => {
        const batch = pending
        pending = []
        await tell(batch, [...streams], await moments.now())
      })
    }
  }
  const tell = async (events: readonly EventRow[], to: readonly Stream[], moment: Moment): Promise<void> => {
    const changes = changesOf(events)
    const newest = events.reduce((id, event) => Math.max(id, event.id), 0)
    const shown = (streams: readonly Stream[]) => [
      ...new Set(streams.flatMap(({ viewer }) => viewer.view.shows(changes))),
    ]
    const burst: Burst = { changes, shown: shown(to), rows: new Shared(), moment }
    for (const [, group] of Map.groupBy(to, ({ user }) => keyOf(user))) {
      const [first] = group
      if (!first) continue
      const batch = new Batch(core, first.user, shown(group), burst)
      for (const stream of group) {
        const news = await stream.viewer.view.news(batch).catch((error: unknown) => failed(stream, error))
        stream.lastId = Math.max(stream.lastId, newest)
        if (news) write(stream, encoded(news, stream.lastId))
      }
    }
  }
  /** A message is made once for all who are told the same. */
  const encoded = (news: News, id: number): Uint8Array => {
    const known = messages.get(news)
    if (known?.id === id) return known.bytes
    const bytes = Buffer.from(message(id, bodyOf(news)))
    messages.set(news, { id, bytes })
    return bytes
  }
  /** The others get their news. This one comes back, and hears what it missed. */
  const failed = (stream: Stream, error: unknown): undefined => {
    if (!closing.signal.aborted) core.log.error({ error: String(error) }, 'A page did not get its news.')
    stream.sink.drop()
  }
  const write = (stream: Stream, chunk: string | Uint8Array): void => {
    if (stream.sink.gone.aborted) return
    if (stream.sink.waiting > MAX_WAITING) stream.sink.drop()
    else stream.sink.write(chunk)
  }
  const replay = async (stream: Stream, since: string | undefined): Promise<void> => {
    const { newest, missed } = await missedSince(since)
    stream.lastId = newest
    streams.add(stream)
    if (missed === undefined) write(stream, message(newest, bodyOf({ refresh: true })))
    else {
      if (missed.length > 0) await tell(missed, [stream], await momentOf(newest))
      write(stream, `id: ${stream.lastId}\n\n`)
    }
  }
  /** One that knows what happened up to this event; later ones are told by the feed. */
  const momentOf = async (newest: number): Promise<Moment> => {
    const moment = await moments.now()
    return moment.newest >= newest ? moment : await moments.renew()
  }
  /** What a page does not know that knows `since`; undefined where it must read itself again. Most were rendered a moment ago. */
  const missedSince = async (since: string | undefined) => {
    const known = since !== undefined && ID.test(since) ? recent.since(Number(since)) : undefined
    if (known !== undefined && known.length <= MAX_REPLAY) {
      const newest = known.reduce((id, event) => Math.max(id, event.id), Number(since))
      return { newest, missed: known.filter(({ kind, id }) => kind !== 'created' || id > Number(since)) }
    }
    const newest = await lastEventId(core.database)
    return { newest, missed: since === undefined ? [] : await eventsSince(core, since) }
  }
  /** Asks again who it is; false where the session is over. */
  const stillThere = async (stream: Stream): Promise<boolean> => {
    const user = await stream.viewer.identify().catch((error: unknown) => {
      core.log.warn({ error: String(error) }, 'identify failed for an open stream, which ends.')
      return undefined
    })
    if (user === undefined || user.id !== stream.user.id) return false
    if (keyOf(user) !== keyOf(stream.user)) {
      stream.user = user
      write(stream, message(stream.lastId, bodyOf({ refresh: true })))
    }
    return true
  }
  const admit = (user: User): void => {
    if (closing.signal.aborted) throw new TelestoError('closed', 'Telesto is closing.')
    if ((opened.get(user.id) ?? 0) < MAX_STREAMS) return
    throw new TelestoError('too_many_requests', `You have ${MAX_STREAMS} pages open that follow jobs. Close some.`)
  }

  return {
    admit,
    async open(sink, viewer, since) {
      const { id } = viewer.user
      admit(viewer.user)
      opened.set(id, (opened.get(id) ?? 0) + 1)
      const stream: Stream = { sink, viewer, user: viewer.user, lastId: 0 }
      try {
        subscribed ??= feed.subscribe(listen).then(({ stop }) => stop)
        await subscribed
        sink.write('retry: 2000\n\n')
        await inTurn(async () => await replay(stream, since))
        const ends = AbortSignal.any([sink.gone, closing.signal])
        let asked = core.clock.monotonic()
        while (!ends.aborted) {
          await core.clock.sleep(HEARTBEAT_MS, ends)
          if (ends.aborted) break
          if (core.clock.monotonic() - asked >= IDENTIFY_MS - HEARTBEAT_MS / 2) {
            asked = core.clock.monotonic()
            if (!(await stillThere(stream))) break
          }
          write(stream, comment('still here'))
        }
      } finally {
        streams.delete(stream)
        const left = (opened.get(id) ?? 1) - 1
        if (left > 0) opened.set(id, left)
        else opened.delete(id)
        if (!sink.gone.aborted) sink.end()
        if (opened.size === 0) {
          void subscribed?.then((stop) => stop()).catch(() => {})
          subscribed = undefined
          recent.forget()
        }
      }
    },
    close: () => closing.abort(),
  }
}

/** The events after `since`, and those that may have committed late before it; undefined where it is unknown or too long ago. */
const eventsSince = async (core: Core, since: string): Promise<EventRow[] | undefined> => {
  if (!ID.test(since)) return undefined
  const id = Number(since)
  const [known] = await eventsById(core.database, [id])
  if (!known && id !== 0) return undefined
  const after = await eventsAfter(core.database, id, MAX_REPLAY + 1)
  if (after.length > MAX_REPLAY) return undefined
  const late = known ? await recentEventIds(core.database, id, known.at - WINDOW_MS) : []
  // What may have been told before is told again, but that a job is new: the page was rendered with it.
  const again = await eventsById(core.database, late.slice(-MAX_REPLAY))
  return [...again.filter(({ kind }) => kind !== 'created'), ...after]
}
