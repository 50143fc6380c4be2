import { SchedulerError } from '../adapter.js'
import { sftpSession } from './sftp-session.js'
import { createSshConnection, type SshOptions } from './ssh-connection.js'
import { runOverSsh } from './ssh-exec.js'
import { sshFiles } from './ssh-files.js'
import { remotePath, removablePath } from './ssh-path.js'
import type { SshTarget } from './ssh-target.js'
import { wordsOfHost } from './ssh-words.js'
import type { Transport } from './transport.js'

/**
 * Commands and files of a host that is reached over SSH. It needs the package `ssh2`. What it promises beyond the contract:
 *
 * - One connection, opened by the first call that needs it, kept, and opened again by the next call after it was lost. All
 *   calls share it: at most `maxChannels` at once, the others wait.
 * - The host's key is the pinned one, or nothing is sent: HostKeyError, which is a SchedulerError `auth`.
 * - A command is run by a POSIX shell of the host, each word of it and each value of `env` as it was given. They travel on the
 *   shell's stdin: no list of processes shows `env`. `cwd` and all paths are absolute or relative to the home of the login.
 * - A command that cannot be started because it does not exist or is not executable is a result, with code 127 or 126. `code`
 *   is null where a signal ended it.
 * - Aborted, or over `timeoutMs` (waiting for the connection and a channel included): its process group is killed, where the
 *   host's SSH server can do that, and `unavailable` is thrown at once. Over `maxBytes`: likewise, with `protocol`.
 * - `write`, `put` and `get` replace the target in one step or leave it as it was; `put` and `get` keep the mode. Files are
 *   not held in memory.
 * - `list` sorts by name, follows no symbolic link, and throws where there is no such directory.
 * - A lost connection, a host that stays silent for `keepAliveSeconds` and a refused login end all that waits for them with
 *   `unavailable` or `auth`. No error and no log holds a password, a passphrase or a key.
 * - `close()` ends the commands still running.
 */
export const sshTransport = (target: SshTarget, options: SshOptions = {}): Transport => {
  const closing = new AbortController()
  const connection = createSshConnection(target, options)
  const use = sftpSession(connection, options.answerSeconds ?? 60, closing.signal)

  const run: Transport['exec'] = (argv, execOptions = {}) =>
    connection.using(() => runOverSsh(connection, argv, execOptions, closing.signal))
  const carryOut = async (argv: readonly [string, ...string[]], path: string): Promise<void> => {
    const { code, stderr } = await run(argv)
    if (code === 0) return
    const words = wordsOfHost(new TextDecoder().decode(stderr)) || `${argv[0]} ended with ${code ?? 'a signal'}`
    throw new SchedulerError('unavailable', `${connection.place}: ${path}: ${words}`)
  }

  return {
    exec: run,
    ...sshFiles(use),
    mkdir: async (path) => carryOut(['mkdir', '-p', remotePath(path)], path),
    remove: async (path) => carryOut(['rm', '-rf', removablePath(path)], path),
    async close() {
      closing.abort(new SchedulerError('unavailable', `${connection.place}: the transport is closed.`))
      await connection.close()
    },
  }
}
