import { posix } from 'node:path'
import type { ClientChannel } from 'ssh2'
import { SchedulerError } from '../adapter.js'
import { gatherOutput } from './output.js'
import { onOneLine, quoteAll } from './quote.js'
import { type SshConnection, until } from './ssh-connection.js'
import { remotePath } from './ssh-path.js'
import type { ExecOptions, ExecResult } from './transport.js'

/**
 * What the login's shell is given to run, whichever it is (csh and fish read it as sh does): a shell of POSIX that takes one
 * line from stdin, runs it, and leaves the rest of stdin to the command. So no list of processes shows `env`, and a command is
 * not bound by the 128 kB that one argument of a shell may have.
 */
const SHELL = `exec /bin/sh -c 'IFS= read -r TELESTO_COMMAND && eval "$TELESTO_COMMAND"'`

/** Runs one command on a channel of its own. */
export const runOverSsh = async (
  connection: SshConnection,
  argv: readonly [string, ...string[]],
  { cwd, env, stdin = '', timeoutMs, maxBytes, signal }: ExecOptions,
  closing: AbortSignal,
): Promise<ExecResult> => {
  const name = posix.basename(argv[0])
  const line = lineOf(argv, cwd, env)
  const ended = new AbortController()
  const end = (code: 'unavailable' | 'protocol', words: string) =>
    ended.abort(new SchedulerError(code, `${name} on ${connection.place} ${words}`))
  const onAbort = () => end('unavailable', 'was stopped: the call was aborted.')
  const onClose = () => end('unavailable', 'was stopped: the transport was closed.')
  if (signal?.aborted) onAbort()
  if (closing.aborted) onClose()
  signal?.addEventListener('abort', onAbort, { once: true })
  closing.addEventListener('abort', onClose, { once: true })
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(() => end('unavailable', `did not end within ${timeoutMs} ms.`), timeoutMs)
  try {
    ended.signal.throwIfAborted()
    const { channel, lost } = await connection.channel<ClientChannel>(
      (client, done) => client.exec(SHELL, done),
      kill,
      ended.signal,
    )
    ended.signal.addEventListener('abort', () => kill(channel), { once: true }) // at once: the connection may be closed next
    return await until(answer(channel, line, stdin, maxBytes, end), ended.signal, lost)
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', onAbort)
    closing.removeEventListener('abort', onClose)
  }
}

const lineOf = (argv: readonly string[], cwd: string | undefined, env: ExecOptions['env'] = {}): string => {
  const names = Object.keys(env)
  const bad = names.find((name) => !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
  if (bad !== undefined)
    throw new SchedulerError('invalid_job', `env: ${JSON.stringify(bad)} cannot be the name of a variable.`)
  const commands = [
    ...(cwd === undefined ? [] : [`${quoteAll(['cd', remotePath(cwd)])} || exit 127`]),
    ...Object.entries(env).map(([name, value]) => quoteAll(['export', `${name}=${value}`])),
    quoteAll(['exec', ...argv]),
  ]
  return onOneLine(commands.join('; '))
}

/** Ends the command with all that it started, as far as it stayed in its process group. OpenSSH can do that since 7.9. */
const kill = (channel: ClientChannel): void => {
  // ssh2 would send no signal to a command whose stdin has ended, which the protocol allows: hence not by its channel.
  const { _client, outgoing } = channel as unknown as {
    readonly _client: { readonly _protocol: { signal(channel: number, name: string): void } }
    readonly outgoing: { readonly id: number; readonly state: string }
  }
  if (outgoing.state === 'open' || outgoing.state === 'eof') _client._protocol.signal(outgoing.id, 'KILL')
  channel.close()
  // ssh2 says that a channel is closed only when all that came of it was read: one that was opened too late has no reader.
  channel.resume()
  channel.stderr.resume()
}

const answer = (
  channel: ClientChannel,
  line: string,
  stdin: string | Uint8Array,
  maxBytes: number | undefined,
  end: (code: 'protocol', words: string) => void,
): Promise<ExecResult> =>
  new Promise((settle, fail) => {
    const output = gatherOutput((words) => end('protocol', words), maxBytes)
    channel.on('data', output.stdout)
    channel.stderr.on('data', output.stderr)
    channel.on('error', () => {}) // it ended without reading all of its input: its exit code tells
    channel.on('close', (code: number | null | undefined) => {
      if (code === undefined)
        return fail(
          new SchedulerError('unavailable', 'The host closed the channel without saying how the command ended.'),
        )
      settle(output.result(code))
    })
    channel.write(`${line}\n`)
    channel.end(stdin)
  })
