import { Socket } from 'node:net'
import { userInfo } from 'node:os'
import type { AnyAuthMethod, AuthenticationType, Client } from 'ssh2'
import { SchedulerError } from '../adapter.js'
import { HOST_KEY_KINDS, type HostKey, HostKeyError, type HostKeyKind, hostKeyOfBlob } from './ssh-host-key.js'
import { type KnownKey, readPrivateKey } from './ssh-key-file.js'
import type { SshTarget } from './ssh-target.js'
import { wordsOfHost } from './ssh-words.js'
import { loadSsh2, type Ssh2 } from './ssh2.js'

export interface LoginOptions {
  /** For connecting and logging in together. */
  readonly connectMs: number
  /** A peer that answers nothing for so long is given up. */
  readonly keepAliveMs: number
  /** What an earlier login found out, which makes the next one quicker. */
  readonly known?: Known | undefined
  readonly signal: AbortSignal
}

interface Known {
  /** The kind of host key that was right: it is asked for first. */
  readonly kind: HostKeyKind | undefined
  readonly privateKey: KnownKey | undefined
}
export interface Login {
  readonly client: Client
  /** What the client speaks through: it goes at once when it is destroyed, whatever the host does. */
  readonly socket: Socket
  readonly known: Known
}

export const placeOf = ({ host, port }: Pick<SshTarget, 'host' | 'port'>): string =>
  `${host.includes(':') ? `[${host}]` : host}:${port}`

/**
 * Connects and logs in. A host may have keys of several kinds: where the one that it shows is not the pinned one, it is asked for
 * those of the other kinds before it is refused. Throws SchedulerError: HostKeyError, `auth` (credentials), `unavailable` (no
 * answer), `protocol` (not an answer of SSH).
 */
export const logIn = async (target: SshTarget, options: LoginOptions): Promise<Login> => {
  const ssh2 = await loadSsh2()
  const { known } = options
  const credentials = await credentialsOf(ssh2, target, known)
  const deadline = performance.now() + options.connectMs
  let kinds: readonly HostKeyKind[] = known?.kind
    ? [known.kind, ...HOST_KEY_KINDS.filter((kind) => kind !== known.kind)]
    : HOST_KEY_KINDS
  let shown: HostKey | undefined
  while (kinds.length > 0) {
    const connectMs = Math.max(1, deadline - performance.now())
    const attempt = await connect(ssh2, target, credentials, kinds, { ...options, connectMs })
    if ('client' in attempt) {
      const { client, socket } = attempt
      return { client, socket, known: { kind: kindOf(attempt.key), privateKey: credentials.privateKey } }
    }
    if ('noSuchKey' in attempt && shown) break
    if ('noSuchKey' in attempt) throw attempt.noSuchKey
    shown ??= attempt.otherKey
    if (target.hostKey === undefined) break
    const wrong = kindOf(attempt.otherKey)
    kinds = kinds.filter((kind) => kind !== wrong)
  }
  throw new HostKeyError(placeOf(target), shown as HostKey, target.hostKey)
}

/** Asks a host for its key, without logging in. Throws SchedulerError `unavailable` or `protocol`. */
export const hostKeyOf = async (
  target: Pick<SshTarget, 'host' | 'port'>,
  { connectSeconds = 20, signal = new AbortController().signal } = {},
): Promise<HostKey> => {
  const options = { connectMs: connectSeconds * 1000, keepAliveMs: 0, signal }
  const nobody = { username: 'nobody', methods: [], privateKey: undefined }
  const { host, port } = target
  const attempt = await connect(
    await loadSsh2(),
    { host, port, username: '', directory: '' },
    nobody,
    HOST_KEY_KINDS,
    options,
  )
  if ('otherKey' in attempt) return attempt.otherKey
  if ('noSuchKey' in attempt) throw attempt.noSuchKey
  throw new Error('A host key that nobody pinned cannot be the right one.')
}

const kindOf = ({ keyType }: HostKey): HostKeyKind | undefined =>
  HOST_KEY_KINDS.find((kind) =>
    kind.some((name) => name === keyType || (keyType === 'ssh-rsa' && name.startsWith('rsa-'))),
  )

interface Method {
  /** For people. */
  readonly name: string
  /** How it is used, by what the server calls that way of asking. One of the ways is tried, so that no account is locked. */
  readonly ways: Readonly<Record<string, AnyAuthMethod>>
}
interface Credentials {
  readonly username: string
  readonly methods: readonly Method[]
  readonly privateKey: KnownKey | undefined
}

/** In the order in which they are tried. Key files are read here, so that a new key is found without a restart. */
const credentialsOf = async (ssh2: Ssh2, target: SshTarget, known: Known | undefined): Promise<Credentials> => {
  const username = target.username === '' ? userInfo().username : target.username
  const { password, privateKeyPath, privateKeyPass } = target
  const methods: Method[] = []
  let privateKey: KnownKey | undefined
  if (privateKeyPath !== undefined) {
    privateKey = await readPrivateKey(ssh2, privateKeyPath, privateKeyPass, known?.privateKey)
    const { key } = privateKey
    const { fingerprint } = hostKeyOfBlob(key.getPublicSSH())
    const name = `the key of type ${key.type} in ${privateKeyPath} (${fingerprint})`
    methods.push({ name, ways: { publickey: { type: 'publickey', username, key } } })
  }
  const nothing = privateKeyPath === undefined && password === undefined
  const agent = target.agent ?? (nothing ? process.env.SSH_AUTH_SOCK : undefined)
  if (agent !== undefined && agent !== '')
    methods.push({ name: `the keys of the agent ${agent}`, ways: { publickey: { type: 'agent', username, agent } } })
  if (password !== undefined) {
    methods.push({
      name: 'the password',
      ways: {
        password: { type: 'password', username, password },
        'keyboard-interactive': { type: 'keyboard-interactive', username, prompt: answering(password) },
      },
    })
  }
  if (methods.length === 0) {
    throw new SchedulerError(
      'auth',
      `There is nothing to log in to ${placeOf(target)} with. Give privateKeyPath, agent or password, or start this process with SSH_AUTH_SOCK.`,
    )
  }
  return { username, methods, privateKey }
}

/** Answers the one question for a password, once: another question is not ours to answer. */
const answering = (password: string) => {
  let asked = false
  return (
    _name: string,
    _instructions: string,
    _language: string,
    prompts: readonly unknown[],
    finish: (answers: string[]) => void,
  ): void => {
    finish(prompts.map(() => (prompts.length === 1 && !asked ? password : '')))
    asked = true
  }
}

type Attempt =
  | { readonly client: Client; readonly socket: Socket; readonly key: HostKey }
  | { readonly otherKey: HostKey }
  /** The host has no key of the kinds that it was asked for. */
  | { readonly noSuchKey: SchedulerError }

const connect = (
  { Client }: Ssh2,
  target: SshTarget,
  { username, methods }: Credentials,
  kinds: readonly HostKeyKind[],
  { connectMs, keepAliveMs, signal }: Omit<LoginOptions, 'known'>,
): Promise<Attempt> =>
  new Promise((settle, fail) => {
    const place = placeOf(target)
    const client = new Client()
    // Our own: ssh2 would not destroy one whose end it has said, and a host that hangs never answers that.
    const socket = new Socket().setMaxListeners(0)
    let key: HostKey | undefined
    let verified = false
    let accepted: readonly string[] | undefined
    const untried = [...methods]
    const tried: string[] = []
    const notes: string[] = []

    const done = () => signal.removeEventListener('abort', onAbort)
    const leave = () => {
      done()
      socket.destroy()
    }
    const refuse = (error: SchedulerError) => {
      leave()
      fail(error)
    }
    const onAbort = () => refuse(new SchedulerError('unavailable', `${place}: connecting was given up.`))
    if (signal.aborted) return onAbort()
    signal.addEventListener('abort', onAbort, { once: true })

    const inWords = (error: Error & { level?: string; code?: unknown }): SchedulerError => {
      // An AggregateError, of several addresses, has a code alone.
      const said = wordsOfHost(error.message || String(error.code))
      if (error.level === 'client-timeout')
        return new SchedulerError('unavailable', `${place} did not answer within ${Math.round(connectMs / 1000)} s.`)
      if (error.level === 'client-authentication' || (verified && /authentication/i.test(said))) {
        const reason = error.level === 'client-authentication' ? [] : [`It said: ${said}.`]
        return new SchedulerError(
          'auth',
          [
            `${place} refused ${username}. Tried: ${tried.join('; ') || 'nothing'}.`,
            `It accepts: ${accepted?.join(', ') || 'nothing that is known'}.`,
            ...reason,
            ...notes,
          ].join(' '),
        )
      }
      const link = error.level === 'client-socket' || error.level === 'client-dns' || /lost before/.test(said)
      const refusedByHost = typeof error.code === 'number'
      return link || refusedByHost
        ? new SchedulerError('unavailable', `${place} cannot be reached: ${said}`)
        : new SchedulerError('protocol', `${place} does not speak SSH as expected: ${said}`)
    }

    client.on('error', (error: Error & { level?: string }) => {
      if (error.level === 'agent') {
        notes.push(`The agent: ${wordsOfHost(error.message)}.`) // the other means are tried yet
        return
      }
      if (key && !verified) {
        leave()
        settle({ otherKey: key })
      } else if (/no matching host key/i.test(error.message)) {
        leave()
        settle({ noSuchKey: inWords(error) })
      } else refuse(inWords(error))
    })
    client.on('close', () =>
      refuse(new SchedulerError('unavailable', `${place} closed the connection before anybody was logged in.`)),
    )
    client.on('change password', () =>
      refuse(
        new SchedulerError('auth', `${place} wants ${username} to change the password. Log in by hand and change it.`),
      ),
    )
    client.on('ready', () => {
      done()
      client.removeAllListeners()
      client.on('error', () => {}) // until its keeper listens
      settle({ client, socket, key: key as HostKey })
    })
    try {
      client.connect({
        sock: socket.connect({ host: target.host, port: target.port }),
        username,
        readyTimeout: connectMs,
        // Two may stay unanswered; the third moment without an answer is the end.
        keepaliveInterval: keepAliveMs / 3,
        keepaliveCountMax: 2,
        algorithms: { serverHostKey: kinds.flat() },
        hostVerifier: (blob: Buffer) => {
          key = hostKeyOfBlob(blob)
          verified = key.fingerprint === target.hostKey
          return verified
        },
        authHandler: (left, _partial, next) => {
          // "none" is refused, and the refusal names what the host accepts.
          if (left === null) return next({ type: 'none', username })
          accepted = left
          const at = untried.findIndex(({ ways }) => left.some((name) => Object.hasOwn(ways, name)))
          const [method] = at < 0 ? [] : untried.splice(at, 1)
          if (method) tried.push(method.name)
          const way = ['password', ...left].find(
            (name) => method && left.includes(name as AuthenticationType) && Object.hasOwn(method.ways, name),
          )
          // The types know no way to say that nothing is left.
          next((way === undefined ? false : method?.ways[way]) as AnyAuthMethod)
        },
      })
      client.setNoDelay(true) // or each command waits 40 ms for its answer
    } catch (error) {
      refuse(new SchedulerError('unavailable', `${place} cannot be reached: ${wordsOfHost(String(error))}`))
    }
  })
