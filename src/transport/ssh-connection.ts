import type { Socket } from 'node:net'
import type { Client } from 'ssh2'
import { type Logger, SchedulerError } from '../adapter.js'
import { type Login, logIn, placeOf } from './ssh-login.js'
import type { SshTarget } from './ssh-target.js'
import { wordsOfHost } from './ssh-words.js'

export interface SshOptions {
  readonly log?: Logger
  /** A host that answers nothing for so long is given up, and all that waits for it fails with `unavailable`. Default 30. */
  readonly keepAliveSeconds?: number
  /** For connecting and logging in together. Default 20. */
  readonly connectSeconds?: number
  /** So long after an attempt to connect there is no other: calls get the reason of the last failure at once. Default 5. */
  readonly reopenSeconds?: number
  /** A connection that nobody has used for so long is closed. Default 300. */
  readonly idleSeconds?: number
  /** Channels at once: commands, and one for all files. The others wait. Below the host's MaxSessions, mostly 10. Default 8. */
  readonly maxChannels?: number
  /** A request for a file that the host does not answer for so long fails: a file system there may hang. Default 60. */
  readonly answerSeconds?: number
}

/** What ssh2 gives for an open channel: a command's, or that of a session of SFTP. */
interface Closing {
  once(event: 'close', listener: () => void): unknown
}
export type OpenChannel<C> = (client: Client, done: (error: Error | undefined, channel: C) => void) => void

export interface SshConnection {
  readonly place: string
  /**
   * A new channel on the one connection, which is opened where there is none. It counts until the host has closed it. `stop`
   * ends the waiting with its reason; a channel that is opened nevertheless is given to `discard`.
   */
  channel<C extends Closing>(open: OpenChannel<C>, discard: (channel: C) => void, stop: AbortSignal): Promise<Opened<C>>
  /** For as long as `action` takes, the connection is not idle. */
  using<T>(action: () => Promise<T>): Promise<T>
  /** Called when somebody waits for a channel, and when a use has ended meanwhile: gives back one that rests. */
  onWanted(giveBack: () => void): void
  close(): Promise<void>
}
export interface Opened<C> {
  readonly channel: C
  /** Aborts when the connection is lost; its reason is the SchedulerError to throw. */
  readonly lost: AbortSignal
}

interface Link {
  readonly client: Client
  readonly socket: Socket
  readonly lost: AbortController
  readonly waiting: (() => void)[]
  /** The last channel that was asked for. */
  asked: Promise<unknown>
  limit: number
  used: number
  open: number
}

/** A host whose MaxSessions is lower refuses a channel: it is asked for again so often, and at last once a second. */
const CHANNEL_ATTEMPTS = 12
const SLOW_CHANNEL_MS = 500

export const createSshConnection = (target: SshTarget, options: SshOptions): SshConnection => {
  const { keepAliveSeconds = 30, connectSeconds = 20, reopenSeconds = 5, idleSeconds = 300, maxChannels = 8 } = options
  const place = placeOf(target)
  const closing = new AbortController()
  let link: Link | undefined
  let opening: Promise<Link> | undefined
  let known: Login['known'] | undefined
  let last: { at: number; reason: SchedulerError } | undefined
  let giveBack = (): void => {}
  let uses = 0
  let idle: NodeJS.Timeout | undefined

  const closedError = () => new SchedulerError('unavailable', `${place}: the transport is closed.`)

  const open = async (): Promise<Link> => {
    try {
      const login = await logIn(target, {
        connectMs: connectSeconds * 1000,
        keepAliveMs: keepAliveSeconds * 1000,
        known,
        signal: closing.signal,
      })
      if (closing.signal.aborted) {
        login.socket.destroy()
        throw closedError()
      }
      known = login.known
      last = { at: performance.now(), reason: new SchedulerError('unavailable', `${place}: the connection was lost.`) }
      options.log?.info({ host: target.host, port: target.port }, 'SSH connection opened')
      return keep(login)
    } catch (error) {
      const reason =
        error instanceof SchedulerError
          ? error
          : new SchedulerError('unavailable', `${place}: ${wordsOfHost(String(error))}`)
      last = { at: performance.now(), reason }
      throw reason
    }
  }

  const keep = ({ client, socket }: Login): Link => {
    const own: Link = {
      client,
      socket,
      lost: new AbortController(),
      waiting: [],
      asked: Promise.resolve(),
      limit: maxChannels,
      used: 0,
      open: 0,
    }
    let words = 'the host closed it'
    const lose = () => {
      if (link === own) link = undefined
      if (own.lost.signal.aborted) return
      const reason = new SchedulerError('unavailable', `The connection to ${place} was lost: ${words}.`)
      if (last) last = { ...last, reason }
      options.log?.warn({ host: target.host, port: target.port, reason: words }, 'SSH connection lost')
      own.lost.abort(reason)
    }
    client.on('error', (error: Error & { level?: string }) => {
      words =
        error.level === 'client-timeout' ? `it answered nothing for ${keepAliveSeconds} s` : wordsOfHost(error.message)
      socket.destroy()
      lose()
    })
    client.on('end', () => socket.destroy())
    client.on('close', lose)
    link = own
    return own
  }

  const leave = (own: Link, words: string) => {
    if (link === own) link = undefined
    own.lost.abort(new SchedulerError('unavailable', words))
    void hangUp(own)
  }
  const closeIdle = () => {
    if (!link) return
    last = undefined
    leave(link, `${place}: the connection was idle and is closed.`)
  }

  const connected = (): Promise<Link> => {
    if (closing.signal.aborted) return Promise.reject(closedError())
    if (link) return Promise.resolve(link)
    if (!opening && last && performance.now() - last.at < reopenSeconds * 1000) return Promise.reject(last.reason)
    opening ??= open().finally(() => {
      opening = undefined
    })
    return opening
  }

  const free = (own: Link) => {
    own.used -= 1
    while (own.used < own.limit && own.waiting.length > 0) {
      own.used += 1 // handed on, so that nobody who comes later takes it
      own.waiting.shift()?.()
    }
  }

  /** Waits for one of the channels that there may be. */
  const slot = async (own: Link, stop: AbortSignal): Promise<void> => {
    if (own.used < own.limit) {
      own.used += 1
      return
    }
    const turn = Promise.withResolvers<void>()
    own.waiting.push(turn.resolve)
    giveBack()
    try {
      await until(turn.promise, stop, own.lost.signal)
    } catch (error) {
      const at = own.waiting.indexOf(turn.resolve)
      if (at < 0) free(own)
      else own.waiting.splice(at, 1)
      throw error
    }
  }

  /**
   * Asks for one channel after the other: a host forgets those that were closed only once it has read all that it was sent, and
   * would count them beside many new ones. One that is slow to answer does not hold up the others for long.
   */
  const request = <C extends Closing>(own: Link, ask: OpenChannel<C>): Promise<C> => {
    const asked = own.asked.then(
      () =>
        new Promise<C>((settle, fail) => {
          ask(own.client, (error, channel) => {
            if (error) return fail(error)
            own.open += 1
            channel.once('close', () => {
              own.open -= 1
              free(own)
            })
            settle(channel)
          })
        }),
    )
    own.asked = Promise.race([asked, pause(SLOW_CHANNEL_MS)]).catch(() => {})
    return asked
  }

  return {
    place,
    async using(action) {
      uses += 1
      clearTimeout(idle)
      try {
        return await action()
      } finally {
        uses -= 1
        if (link && link.waiting.length > 0) giveBack()
        if (uses === 0 && link) idle = setTimeout(closeIdle, idleSeconds * 1000).unref()
      }
    },
    onWanted(give) {
      giveBack = give
    },
    async channel<C extends Closing>(ask: OpenChannel<C>, discard: (channel: C) => void, stop: AbortSignal) {
      const own = await until(connected(), stop)
      for (let attempt = 1; ; attempt++) {
        await slot(own, stop)
        const asked = request(own, ask)
        try {
          return { channel: await until(asked, stop, own.lost.signal), lost: own.lost.signal }
        } catch (error) {
          if (error instanceof SchedulerError) {
            asked.then(discard, () => free(own))
            throw error
          }
          const full = /channel open failure/i.test(String(error))
          if (full) own.limit = Math.max(1, Math.min(own.limit, own.open))
          free(own)
          if (!full || attempt >= CHANNEL_ATTEMPTS) {
            if (full && own.open === 0) leave(own, `${place} opens no channel on this connection.`)
            const said = wordsOfHost(error instanceof Error ? error.message : String(error))
            throw new SchedulerError('unavailable', `${place} opened no channel: ${said}`, { cause: error })
          }
          giveBack()
          await until(pause(Math.min(1000, 20 * 2 ** attempt)), stop, own.lost.signal)
        }
      }
    },
    async close() {
      if (closing.signal.aborted) return
      closing.abort(closedError())
      clearTimeout(idle)
      await opening?.catch(() => {})
      const own = link
      link = undefined
      if (!own) return
      own.lost.abort(closedError())
      await hangUp(own)
    },
  }
}

/** Says goodbye, and does not wait long for an answer. */
const hangUp = async ({ client, socket }: Link): Promise<void> => {
  const closed = new Promise<void>((settle) => client.once('close', () => settle()))
  client.end()
  await Promise.race([closed, pause(1000)])
  socket.destroy()
}

const pause = (ms: number): Promise<void> => new Promise((settle) => setTimeout(settle, ms))

/** The outcome of `work`, or the reason of the first signal that aborts before it. */
export const until = <T>(work: Promise<T>, ...signals: readonly AbortSignal[]): Promise<T> =>
  new Promise((settle, fail) => {
    // Also where it was stopped: `work` may never end, and the connection's signal lasts as long as the connection.
    const leave = () => {
      for (const signal of signals) signal.removeEventListener('abort', stop)
    }
    const stop = () => {
      leave()
      fail(signals.find(({ aborted }) => aborted)?.reason)
    }
    for (const signal of signals) signal.addEventListener('abort', stop, { once: true })
    if (signals.some(({ aborted }) => aborted)) stop()
    work.then(settle, fail).finally(leave)
  })
