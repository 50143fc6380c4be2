import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import type { Stats } from 'ssh2'
import { SchedulerError } from '../adapter.js'
import { draftOf, replace } from './draft.js'
import { absolute } from './local.js'
import type { Ask, UseSftp } from './sftp-session.js'
import { remotePath } from './ssh-path.js'
import { PIECE, type ReadAt, transfer } from './transfer.js'
import type { Transport } from './transport.js'

const NO_SUCH_FILE = 2
const FAILURE = 4

/** What a file system has left, as far as it is asked here. */
interface Space {
  readonly f_frsize: number
  readonly f_bavail: number
  readonly f_files: number
  readonly f_favail: number
}

const statusOf = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : undefined)

/** The files of the target. */
export const sshFiles = (use: UseSftp): Pick<Transport, 'read' | 'write' | 'put' | 'get' | 'list'> => ({
  async read(name, from = 0, maxBytes = Number.POSITIVE_INFINITY) {
    const path = remotePath(name)
    const start = Math.max(0, from)
    return await use(path, async (ask) => {
      const file = await openRegular(ask, path).catch((error: unknown) => {
        if (statusOf(error) === NO_SUCH_FILE) return undefined
        throw error
      })
      if (!file) return undefined
      return await closing(ask, file.handle, async () => {
        const parts = new Map<number, Buffer>()
        const readAt = reading(ask, file.handle)
        const end = await transfer(
          (buffer, at) => readAt(buffer.subarray(0, Math.max(0, Math.min(buffer.length, maxBytes - at))), start + at),
          async (bytes, at) => {
            parts.set(at, bytes)
          },
        )
        return Buffer.concat([...parts].sort(([a], [b]) => a - b).map(([, bytes]) => bytes)).subarray(0, end)
      })
    })
  },

  async write(name, data, mode) {
    const bytes =
      typeof data === 'string' ? Buffer.from(data) : Buffer.from(data.buffer, data.byteOffset, data.byteLength)
    await replaceRemote(use, remotePath(name), mode, async (buffer, at) =>
      bytes.copy(buffer, 0, Math.min(at, bytes.length)),
    )
  },

  async put(from, to) {
    const path = remotePath(to)
    const file = await open(absolute(from), constants.O_RDONLY | constants.O_NONBLOCK).catch(here(from, 'invalid_job'))
    try {
      const found = await file.stat()
      if (!found.isFile()) throw new SchedulerError('invalid_job', `${from} is not a regular file.`)
      const readAt: ReadAt = async (buffer, at) => (await file.read(buffer, 0, buffer.length, at)).bytesRead
      await replaceRemote(use, path, found.mode & 0o777, readAt)
    } finally {
      await file.close()
    }
  },

  async get(from, to) {
    const path = remotePath(from)
    const fill = (ask: Ask, handle: Buffer, mode: number) => async (draft: string) => {
      const file = await open(draft, 'wx', mode)
      try {
        await file.chmod(mode)
        const end = await transfer(reading(ask, handle), async (bytes, at) => {
          await file.write(bytes, 0, bytes.length, at)
        })
        await file.truncate(end)
      } finally {
        await file.close()
      }
    }
    await use(path, async (ask) => {
      const { handle, mode } = await openRegular(ask, path)
      await closing(ask, handle, () => replace(absolute(to), fill(ask, handle, mode)).catch(here(to, 'unavailable')))
    })
  },

  async list(name) {
    const path = remotePath(name)
    const found = await use(path, (ask) =>
      ask<readonly { readonly filename: string; readonly attrs: Stats }[]>((sftp, done) =>
        sftp.readdir(path, (error, entries) => done(error, entries as never)),
      ),
    )
    return found
      .map(({ filename, attrs }) => ({ name: filename, size: attrs.size, directory: attrs.isDirectory() }))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
  },
})

/** What failed on this machine is not to be told as the host's. `missing` is the code where there is no such file. */
const here =
  (path: string, missing: 'invalid_job' | 'unavailable') =>
  (error: Error & { readonly code?: unknown }): never => {
    if (!('syscall' in error)) throw error
    const code = error.code === 'ENOENT' ? missing : 'unavailable'
    throw new SchedulerError(code, `${path}: ${error.message}`, { cause: error })
  }

/** Opens a regular file alone: a pipe in its place would hold up the whole session. */
const openRegular = async (ask: Ask, path: string): Promise<{ readonly handle: Buffer; readonly mode: number }> => {
  const found = await ask<Stats>((sftp, done) => sftp.stat(path, done))
  if (!found.isFile()) throw new SchedulerError('unavailable', `${path} is not a regular file.`)
  return { handle: await ask<Buffer>((sftp, done) => sftp.open(path, 'r', done)), mode: found.mode & 0o777 }
}

const close = (ask: Ask, handle: Buffer): Promise<void> =>
  ask((sftp, done) => sftp.close(handle, (error) => done(error, undefined)))

/** Uses a file that is read, and closes it. */
const closing = async <T>(ask: Ask, handle: Buffer, action: () => Promise<T>): Promise<T> => {
  try {
    return await action()
  } finally {
    await close(ask, handle).catch(() => {})
  }
}

const reading =
  (ask: Ask, handle: Buffer): ReadAt =>
  async (buffer, at) => {
    let filled = 0
    while (filled < buffer.length) {
      const [position, length] = [at + filled, buffer.length - filled]
      const count = await ask<number>((sftp, done) => sftp.read(handle, buffer, filled, length, position, done))
      if (count === 0) break
      filled += count
    }
    return filled
  }

/** Fills a draft beside the target, and renames it once it is whole. */
const replaceRemote = (use: UseSftp, path: string, mode: number | undefined, readAt: ReadAt): Promise<void> =>
  use(path, async (ask) => {
    const draft = draftOf(path)
    try {
      const handle = await ask<Buffer>((sftp, done) => sftp.open(draft, 'wx', mode ?? 0o666, done))
      try {
        // The umask must not narrow what was asked for.
        if (mode !== undefined) await ask((sftp, done) => sftp.fchmod(handle, mode, (error) => done(error, undefined)))
        await transfer(readAt, (bytes, at) =>
          ask((sftp, done) => sftp.write(handle, bytes, 0, bytes.length, at, (error) => done(error, undefined))),
        )
      } catch (error) {
        await close(ask, handle).catch(() => {})
        throw error
      }
      await close(ask, handle) // a network file system may say only now that it is full
      await ask((sftp, done) => sftp.ext_openssh_rename(draft, path, (error) => done(error, undefined)))
    } catch (error) {
      const full = statusOf(error) === FAILURE && (await isFull(ask, path))
      await ask((sftp, done) => sftp.unlink(draft, (failed) => done(failed, undefined))).catch(() => {})
      throw full ? new SchedulerError('unavailable', `${path}: no space is left on the disk of the host.`) : error
    }
  })

/** SFTP says of a disk that is full only that it failed: whether there is room for one more piece is asked. */
const isFull = async (ask: Ask, path: string): Promise<boolean> => {
  const directory = path.slice(0, path.lastIndexOf('/') + 1)
  const space = await ask<Space>((sftp, done) => sftp.ext_openssh_statvfs(directory, done as never)).catch(
    () => undefined,
  )
  if (!space) return false
  return space.f_bavail * space.f_frsize < PIECE || (space.f_files > 0 && space.f_favail === 0)
}
