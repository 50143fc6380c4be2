import type { Client, SFTPWrapper } from 'ssh2'
import { SchedulerError } from '../adapter.js'
import { type SshConnection, until } from './ssh-connection.js'
import { wordsOfHost } from './ssh-words.js'

type Done<T> = (error: Error | undefined | null, value: T) => void
/** One request. Rejects with the server's own error, or with the SchedulerError for which the session ended. */
export type Ask = <T>(start: (sftp: SFTPWrapper, done: Done<T>) => void) => Promise<T>
/** One use of the session for the file `path`, which errors name. */
export type UseSftp = <T>(path: string, action: (ask: Ask) => Promise<T>) => Promise<T>

interface Session {
  readonly sftp: SFTPWrapper
  readonly ended: AbortSignal
  readonly end: (reason: SchedulerError) => void
}

/** One session of SFTP, opened when it is first needed and again when it ended. It gives way to a command that waits. */
export const sftpSession = (connection: SshConnection, answerSeconds: number, closing: AbortSignal): UseSftp => {
  const { place } = connection
  let session: Promise<Session> | undefined
  let users = 0

  const silent = (what: string) =>
    new SchedulerError('unavailable', `${place}: ${what}: no answer from SFTP within ${answerSeconds} s.`)

  const nonsense = (error: Error) =>
    new SchedulerError(
      'protocol',
      `${place}: SFTP does not answer as expected: ${wordsOfHost(error.message)}. The login's start-up files (.bashrc, .cshrc) must print nothing.`,
      { cause: error },
    )

  const open = async (): Promise<Session> => {
    const tooLate = new AbortController()
    const timer = setTimeout(() => tooLate.abort(silent('opening a session')), answerSeconds * 1000)
    const { channel: sftp, lost } = await connection
      .channel<SFTPWrapper>(
        (client, done) =>
          client.sftp((error, sftp) => {
            if (error) closeFailed(client)
            done(error, sftp)
          }),
        (late) => late.end(),
        AbortSignal.any([closing, tooLate.signal]),
      )
      .catch((error: Error) => {
        throw isNonsense(error.cause) ? nonsense(error.cause) : error
      })
      .finally(() => clearTimeout(timer))
    const ended = new AbortController()
    const end = (reason: SchedulerError) => {
      ended.abort(reason)
      sftp.end()
    }
    sftp.on('error', (error: Error) => end(nonsense(error)))
    sftp.on('close', () => end(new SchedulerError('unavailable', `${place}: the session of SFTP ended.`)))
    return { sftp, ended: AbortSignal.any([ended.signal, lost]), end }
  }

  const opened = (): Promise<Session> => {
    if (session) return session
    const opening = open()
    session = opening
    const forget = () => {
      if (session === opening) session = undefined
    }
    opening.then(({ ended }) => {
      if (ended.aborted)
        forget() // lost in the very moment in which it was opened
      else ended.addEventListener('abort', forget, { once: true })
    }, forget)
    return opening
  }

  connection.onWanted(() => {
    if (users > 0) return
    const resting = session
    session = undefined
    resting?.then(
      ({ sftp }) => sftp.end(),
      () => {},
    )
  })

  const asking = ({ sftp, ended, end }: Session, path: string): Ask => {
    return async <T>(start: (sftp: SFTPWrapper, done: Done<T>) => void): Promise<T> => {
      ended.throwIfAborted()
      const timer = setTimeout(() => end(silent(path)), answerSeconds * 1000)
      try {
        const answered = new Promise<T>((settle, fail) => {
          start(sftp, (error, value) => (error ? fail(error) : settle(value)))
        })
        return await until(answered, ended)
      } finally {
        clearTimeout(timer)
      }
    }
  }

  return (path, action) =>
    connection.using(async () => {
      users += 1
      try {
        return await action(asking(await opened(), path))
      } catch (error) {
        if (error instanceof SchedulerError) throw error
        const words = wordsOfHost(error instanceof Error ? error.message : String(error))
        throw new SchedulerError('unavailable', `${place}: ${path}: ${words}`, { cause: error })
      } finally {
        users -= 1
      }
    })
}

const isNonsense = (error: unknown): error is Error =>
  error instanceof Error && 'level' in error && error.level === 'sftp-protocol'

/** ssh2 leaves the channel of a session that could not be started as it is, and the host would count it for ever. */
const closeFailed = (client: Client): void => {
  const { _channels } = (client as unknown as { readonly _chanMgr: { readonly _channels: object } })._chanMgr
  for (const channel of Object.values(_channels)) {
    if (typeof channel.readdir !== 'function') continue
    channel.on('error', () => {}) // what it says yet
    channel.end()
  }
}
