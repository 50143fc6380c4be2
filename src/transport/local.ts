import { spawn } from 'node:child_process'
import { constants } from 'node:fs'
import { copyFile, lstat, mkdir, open, readdir, rm, stat } from 'node:fs/promises'
import { basename, isAbsolute, join, resolve } from 'node:path'
import { SchedulerError } from '../adapter.js'
import { replace } from './draft.js'
import { gatherOutput } from './output.js'
import type { ExecOptions, ExecResult, Transport } from './transport.js'

const CHUNK = 64 * 1024

/**
 * Commands and files of this machine. What it promises beyond the contract:
 *
 * - No shell is involved. `env` is added to the environment of this process, of which Telesto's own secrets are left out: a
 *   scheduler may hand it on to jobs.
 * - A command that cannot be started because it does not exist or is not executable is a result, with code 127 or 126
 *   and a sentence in stderr, as a shell would answer. `code` is null where a signal ended it.
 * - Aborted, or over `timeoutMs`: its whole process group is killed and `unavailable` is thrown at once. Over `maxBytes`:
 *   likewise, with `protocol`, because half an answer must not be read as a whole one.
 * - `write`, `put` and `get` replace the target in one step or leave it as it was.
 * - `list` sorts by name, follows no symbolic link, and throws where there is no such directory.
 * - Paths are absolute; others are refused with `invalid_job`. Every failure is a SchedulerError.
 * - `close()` ends the commands still running.
 */
export const localTransport = (): Transport => {
  const closing = new AbortController()
  return {
    exec: (argv, options = {}) => run(argv, options, closing.signal),
    read: (path, from = 0, maxBytes = Number.POSITIVE_INFINITY) =>
      asked(path, () => readRange(absolute(path), from, maxBytes)),
    write: (path, data, mode) =>
      asked(path, () =>
        replace(absolute(path), async (draft) => {
          const file = await open(draft, 'wx', mode ?? 0o666)
          try {
            if (mode !== undefined) await file.chmod(mode) // the umask must not narrow what was asked for
            await file.writeFile(data)
          } finally {
            await file.close()
          }
        }),
      ),
    put: (localPath, remotePath) => asked(localPath, () => copy(localPath, remotePath, 'invalid_job'), 'invalid_job'),
    get: (remotePath, localPath) => asked(remotePath, () => copy(remotePath, localPath, 'unavailable')),
    list: (path) => asked(path, () => entries(absolute(path))),
    mkdir: (path) =>
      asked(path, async () => {
        await mkdir(absolute(path), { recursive: true })
      }),
    remove: (path) =>
      asked(path, async () => {
        if (resolve(absolute(path)) === '/')
          throw new SchedulerError('invalid_job', 'The root directory is not removed.')
        await rm(path, { recursive: true, force: true })
      }),
    close: async () => closing.abort(),
  }
}

const OWN_SECRETS = /^(TELESTO_KEYS|TELESTO_PASSWORD|TELESTO_PRIVATE_KEY_PASS|DATABASE_URL|PGPASSWORD)$/
const withoutSecrets = (source: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(source).filter(([name]) => !OWN_SECRETS.test(name)))

const run = (
  argv: readonly [string, ...string[]],
  { cwd, env, stdin, timeoutMs, maxBytes, signal }: ExecOptions,
  closing: AbortSignal,
): Promise<ExecResult> =>
  new Promise((settle, fail) => {
    const [program, ...args] = argv
    const name = basename(program)
    if (signal?.aborted)
      return fail(new SchedulerError('unavailable', `${name} was not started: the call was aborted.`))
    if (closing.aborted)
      return fail(new SchedulerError('unavailable', `${name} was not started: the transport is closed.`))
    if (argv.some((word) => word.includes('\0')))
      return fail(new SchedulerError('invalid_job', 'A command cannot contain NUL.'))

    let child: ReturnType<typeof start>
    const start = () =>
      spawn(program, args, {
        ...(cwd === undefined ? {} : { cwd }),
        env: { ...withoutSecrets(process.env), ...env },
        stdio: ['pipe', 'pipe', 'pipe'],
        detached: true, // a group of its own, so that what it started can be ended with it
      })
    try {
      child = start()
    } catch (error) {
      const result = cannotStart(error, name)
      return result instanceof SchedulerError ? fail(result) : settle(result)
    }
    let timer: NodeJS.Timeout | undefined

    const done = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      closing.removeEventListener('abort', onClose)
    }
    const give = (error: SchedulerError) => {
      done()
      killGroup(child.pid)
      for (const stream of [child.stdin, child.stdout, child.stderr]) stream.destroy()
      fail(error)
    }
    const onAbort = () => give(new SchedulerError('unavailable', `${name} was stopped: the call was aborted.`))
    const onClose = () => give(new SchedulerError('unavailable', `${name} was stopped: the transport was closed.`))
    const output = gatherOutput((words) => give(new SchedulerError('protocol', `${name} ${words}`)), maxBytes)

    signal?.addEventListener('abort', onAbort, { once: true })
    closing.addEventListener('abort', onClose, { once: true })
    if (timeoutMs !== undefined)
      timer = setTimeout(
        () => give(new SchedulerError('unavailable', `${name} did not end within ${timeoutMs} ms.`)),
        timeoutMs,
      )
    child.stdout.on('data', output.stdout)
    child.stderr.on('data', output.stderr)
    child.stdin.on('error', () => {}) // it ended without reading all of its input: its exit code tells
    child.on('error', (error) => {
      done()
      const result = cannotStart(error, name)
      if (result instanceof SchedulerError) fail(result)
      else settle(result)
    })
    child.on('close', (code) => {
      done()
      settle(output.result(code))
    })
    child.stdin.end(stdin ?? '')
  })

/** The shell's own codes for a command that could not be run; anything else is this machine's trouble, not the command's. */
const cannotStart = (error: unknown, name: string): ExecResult | SchedulerError => {
  const reason = codeOf(error)
  const answer = (code: number, text: string): ExecResult => ({
    code,
    stdout: new Uint8Array(),
    stderr: new TextEncoder().encode(`${name}: ${text}\n`),
  })
  if (reason === 'ENOENT' || reason === 'ENOTDIR') return answer(127, 'no such command or directory')
  if (reason === 'EACCES' || reason === 'ENOEXEC') return answer(126, 'permission denied, or not a program')
  if (reason === 'E2BIG') return answer(126, 'argument list too long')
  return new SchedulerError('unavailable', `${name} could not be started: ${wordsOf(error)}`, { cause: error })
}

const killGroup = (pid: number | undefined): void => {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // gone already
  }
}

const readRange = async (path: string, from: number, maxBytes: number): Promise<Uint8Array | undefined> => {
  // Not blocking: a job may have put a pipe where a file was.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((error: unknown) => {
    if (['ENOENT', 'ENOTDIR'].includes(codeOf(error))) return undefined
    throw error
  })
  if (!file) return undefined
  try {
    if (!(await file.stat()).isFile()) throw new SchedulerError('unavailable', `${path} is not a regular file.`)
    const parts: Uint8Array[] = []
    let position = Math.max(0, from)
    let left = maxBytes
    while (left > 0) {
      const chunk = new Uint8Array(Math.min(left, CHUNK))
      const { bytesRead } = await file.read(chunk, 0, chunk.byteLength, position)
      if (bytesRead === 0) break
      parts.push(chunk.subarray(0, bytesRead))
      position += bytesRead
      left -= bytesRead
    }
    return Buffer.concat(parts)
  } finally {
    await file.close()
  }
}

const copy = async (from: string, to: string, irregular: 'invalid_job' | 'unavailable'): Promise<void> => {
  const [source, target] = [absolute(from), absolute(to)]
  // A pipe would hold up a thread of this process for ever, a device may fill the disk.
  if (!(await stat(source)).isFile()) throw new SchedulerError(irregular, `${from} is not a regular file.`)
  await replace(target, (draft) => copyFile(source, draft, constants.COPYFILE_EXCL))
}

const entries = async (path: string) => {
  const found: { name: string; size: number; directory: boolean }[] = []
  for (const name of (await readdir(path)).sort()) {
    const stat = await lstat(join(path, name)).catch((error: unknown) => {
      if (codeOf(error) === 'ENOENT') return undefined // removed since it was listed
      throw error
    })
    if (stat) found.push({ name, size: stat.size, directory: stat.isDirectory() })
  }
  return found
}

/** A path of this machine, or SchedulerError `invalid_job`. */
export const absolute = (path: string): string => {
  if (isAbsolute(path) && !path.includes('\0')) return path
  throw new SchedulerError('invalid_job', `The path ${JSON.stringify(path)} must be absolute, without NUL.`)
}

/** Turns the errors of one file operation into SchedulerErrors. `missing` is the code where there is no such file. */
const asked = async <T>(
  path: string,
  action: () => Promise<T>,
  missing: 'invalid_job' | 'unavailable' = 'unavailable',
): Promise<T> => {
  try {
    return await action()
  } catch (error) {
    if (error instanceof SchedulerError) throw error
    throw new SchedulerError(codeOf(error) === 'ENOENT' ? missing : 'unavailable', `${path}: ${wordsOf(error)}`, {
      cause: error,
    })
  }
}

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
