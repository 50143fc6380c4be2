import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, copyFileSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { inspect } from 'node:util'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { sshTransport } from '../../src/transport/ssh.js'
import { HostKeyError } from '../../src/transport/ssh-host-key.js'
import { hostKeyOf } from '../../src/transport/ssh-login.js'
import type { SshTarget } from '../../src/transport/ssh-target.js'
import { refusal, textOf } from '../transport/suite.js'
import {
  fingerprintOf,
  given,
  givenTarget,
  keyOf,
  password,
  removeSshd,
  type SshServer,
  startSshd,
} from './ssh-server.js'

const { privateKeyPath, ...nobody } = givenTarget()
const target: SshTarget = nobody
const SECRET = 'hidden-word'

let dir = ''
beforeAll(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'telesto-keys-'))
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))
let server: SshServer | undefined
afterEach(async () => {
  await removeSshd(server)
  server = undefined
})

const run = async (to: SshTarget): Promise<string | undefined> => {
  const ssh = sshTransport(to)
  try {
    return textOf((await ssh.exec(['id', '-un'])).stdout)
  } finally {
    await ssh.close()
  }
}
/** Logs in, and is who it said. */
const enters = async (to: SshTarget) => expect(await run(to)).toBe(`${to.username}\n`)
/** Is refused as `auth`, with a sentence that holds all the words and no secret. */
const refused = async (to: SshTarget, ...words: string[]) => {
  const error = await refusal(run(to))
  expect(error.code).toBe('auth')
  for (const word of words) expect(error.message).toContain(word)
  expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(SECRET)
  return error
}
const keygen = (name: string, ...args: string[]): string => {
  const file = path.join(dir, name)
  execFileSync('ssh-keygen', ['-q', '-f', file, ...args])
  return file
}
/** A copy of a key of the login, encrypted or in another format. */
const copyOf = (type: 'ed25519' | 'rsa' | 'ecdsa', name: string, ...args: string[]): string => {
  const file = path.join(dir, name)
  copyFileSync(keyOf(type), file)
  chmodSync(file, 0o600)
  execFileSync('ssh-keygen', ['-q', '-p', '-P', '', '-f', file, ...args])
  return file
}

test.for(['ed25519', 'rsa', 'ecdsa'] as const)('a key of type %s logs in, as OpenSSH writes it', async (type) => {
  await enters({ ...target, privateKeyPath: keyOf(type) })
})

test.for(['ed25519', 'rsa', 'ecdsa'] as const)('a key of type %s logs in with its passphrase', async (type) => {
  const file = copyOf(type, `locked-${type}`, '-N', SECRET)
  await enters({ ...target, privateKeyPath: file, privateKeyPass: SECRET })
})

test.for([
  ['rsa', 'PEM'],
  ['rsa', 'PKCS8'],
  ['ecdsa', 'PEM'],
  ['ecdsa', 'PKCS8'],
] as const)('a key of type %s logs in as %s, with a passphrase and without', async ([type, format]) => {
  const open = copyOf(type, `open-${type}-${format}`, '-N', '', '-m', format)
  await enters({ ...target, privateKeyPath: open })
  const locked = copyOf(type, `locked-${type}-${format}`, '-N', SECRET, '-m', format)
  await enters({ ...target, privateKeyPath: locked, privateKeyPass: SECRET })
  await refused({ ...target, privateKeyPath: locked, privateKeyPass: `not ${SECRET}` }, locked, 'not its passphrase')
  await refused({ ...target, privateKeyPath: locked }, locked, 'is encrypted', 'privateKeyPass')
})

test('an RSA key is used with SHA-2 alone', async () => {
  server = await startSshd(['PubkeyAcceptedAlgorithms rsa-sha2-256,rsa-sha2-512', 'LogLevel DEBUG1'])
  await enters({ ...server.target, privateKeyPath: keyOf('rsa') })
  expect(server.log()).toMatch(/pkalg rsa-sha2-(256|512)/)
  expect(server.log()).not.toContain('pkalg ssh-rsa')
})

test('a key with the wrong passphrase', async () => {
  const file = copyOf('ed25519', 'locked', '-N', `${SECRET}-right`)
  await refused({ ...target, privateKeyPath: file, privateKeyPass: SECRET }, file, 'not its passphrase')
  await refused({ ...target, privateKeyPath: file }, file, 'is encrypted', 'privateKeyPass')
})

test('a key of a kind that the server refuses', async () => {
  server = await startSshd(['PubkeyAcceptedAlgorithms ssh-ed25519'])
  for (const type of ['rsa', 'ecdsa'] as const) {
    const words = [
      server.target.username,
      `of type ${type === 'rsa' ? 'ssh-rsa' : 'ecdsa-sha2-nistp256'}`,
      'It accepts: publickey',
    ]
    await refused({ ...server.target, privateKeyPath: keyOf(type) }, ...words)
  }
  await enters(server.target)
})

test('a key that the server does not know', async () => {
  const file = keygen('stranger', '-t', 'ed25519', '-N', '')
  await refused({ ...target, privateKeyPath: file }, file, fingerprintOf(`${file}.pub`), target.username)
})

test('a key file that is missing, not readable or no key', async () => {
  const missing = path.join(dir, 'missing')
  await refused({ ...target, privateKeyPath: missing }, missing, 'ENOENT')
  await refused({ ...target, privateKeyPath: dir }, dir, 'EISDIR')
  const text = path.join(dir, 'text')
  writeFileSync(text, SECRET)
  await refused({ ...target, privateKeyPath: text }, text, 'no private key')
  const broken = path.join(dir, 'broken')
  for (const kind of ['OPENSSH', 'RSA', 'EC'])
    for (const body of [SECRET, Buffer.from(SECRET).toString('base64'), '']) {
      writeFileSync(broken, `-----BEGIN ${kind} PRIVATE KEY-----\n${body}\n-----END ${kind} PRIVATE KEY-----\n`)
      await refused({ ...target, privateKeyPath: broken }, broken)
    }
  await refused({ ...target, privateKeyPath: `${keyOf('ed25519')}.pub` }, 'public key')
  await refused({ ...target, privateKeyPath: keygen('dsa', '-t', 'dsa', '-N', '') }, 'ed25519, ECDSA or RSA')
})

test('a key file is read at each connect', async () => {
  const file = path.join(dir, 'later')
  const ssh = sshTransport({ ...target, privateKeyPath: file }, { reopenSeconds: 0 })
  expect((await refusal(ssh.exec(['true']))).message).toContain('ENOENT')
  copyFileSync(keyOf('ed25519'), file)
  expect((await ssh.exec(['true'])).code).toBe(0)
  await ssh.close()
})

test('a password logs in; a wrong one and an unknown user do not', async () => {
  await enters({ ...target, password: password() })
  const words = ['Tried: the password', 'It accepts: publickey, password']
  await refused({ ...target, password: SECRET }, target.username, ...words)
  await refused({ ...target, username: 'telesto-nobody', password: SECRET }, 'telesto-nobody', ...words)
  await refused({ ...target, username: 'telesto-nobody', privateKeyPath }, 'telesto-nobody')
})

test('a password that the server asks for interactively', async () => {
  server = await startSshd(['UsePAM yes', 'PasswordAuthentication no', 'KbdInteractiveAuthentication yes'])
  await enters({ ...server.target, privateKeyPath: undefined, password: password() })
  await refused(
    { ...server.target, privateKeyPath: undefined, password: SECRET },
    'It accepts: publickey, keyboard-interactive',
  )
})

test('a server that wants a key and a password gets both', async () => {
  server = await startSshd(['AuthenticationMethods publickey,password'])
  await enters({ ...server.target, password: password() })
  await refused(server.target, 'It accepts: password')
})

test('a server that does not take passwords is not told one', async () => {
  server = await startSshd(['PasswordAuthentication no'])
  await refused(
    { ...server.target, privateKeyPath: undefined, password: SECRET },
    'Tried: nothing',
    'It accepts: publickey',
  )
})

test('the keys of an agent, named or that of this process', async () => {
  const socket = path.join(dir, 'agent')
  const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' })
  try {
    const add = (file: string) =>
      execFileSync('ssh-add', ['-q', file], { env: { ...process.env, SSH_AUTH_SOCK: socket } })
    await expect.poll(() => execFileSync('sh', ['-c', `test -S ${socket} && echo up || true`]).toString()).toBe('up\n')
    await refused({ ...target, agent: socket }, 'the keys of the agent')
    add(keygen('other', '-t', 'ed25519', '-N', ''))
    add(copyOf('rsa', 'agent-rsa', '-N', ''))
    await enters({ ...target, agent: socket })
    const before = process.env.SSH_AUTH_SOCK
    process.env.SSH_AUTH_SOCK = socket
    await enters(target)
    delete process.env.SSH_AUTH_SOCK
    await refused(target, 'privateKeyPath, agent or password')
    if (before !== undefined) process.env.SSH_AUTH_SOCK = before
  } finally {
    agent.kill()
  }
  await refused({ ...target, agent: socket }, 'The agent:')
  await enters({ ...target, agent: socket, privateKeyPath })
})

test('an agent with more keys than the server tries', async () => {
  const socket = path.join(dir, 'agent-of-many')
  const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' })
  try {
    await expect.poll(() => execFileSync('sh', ['-c', `test -S ${socket} && echo up || true`]).toString()).toBe('up\n')
    for (let i = 0; i < 8; i++)
      execFileSync('ssh-add', ['-q', keygen(`too-many-${i}`, '-t', 'ed25519', '-N', '')], {
        env: { ...process.env, SSH_AUTH_SOCK: socket },
      })
    await refused({ ...target, agent: socket }, 'Too many authentication failures')
  } finally {
    agent.kill()
  }
})

test('a key that is restricted to the least is enough', async () => {
  const keys = path.join(dir, 'authorized_keys')
  const key = readFileSync(`${keyOf('ed25519')}.pub`, 'utf8')
  chmodSync(dir, 0o755)
  writeFileSync(keys, `restrict,from="127.0.0.1" ${key}`, { mode: 0o644 })
  server = await startSshd([`AuthorizedKeysFile ${keys}`])
  const ssh = sshTransport(server.target)
  expect((await ssh.exec(['true'])).code).toBe(0)
  expect(await ssh.read('/telesto/no')).toBeUndefined()
  await ssh.close()
  await refused({ ...server.target, privateKeyPath: keyOf('rsa') }, 'of type ssh-rsa')
})

test('without the package ssh2 the refusal says what to install', async () => {
  const alone = path.join(dir, 'alone')
  cpSync(path.resolve('dist'), path.join(alone, 'dist'), { recursive: true })
  writeFileSync(path.join(alone, 'package.json'), '{"type":"module"}')
  const program = `
    const { sshTransport } = await import('./dist/src/transport/ssh.js')
    const ssh = sshTransport(${JSON.stringify({ ...target, privateKeyPath })})
    await ssh.exec(['true']).catch(({ code, message }) => console.log(code, message))`
  const said = execFileSync(process.execPath, ['--input-type=module', '-e', program], { cwd: alone })
  expect(said.toString()).toMatch(/^unavailable .*Run: npm install ssh2\n$/)
})

test('without a username it is the account of this process', async () => {
  server = await startSshd(['PermitRootLogin yes'])
  expect(await run({ ...server.target, username: '' })).toBe('root\n')
})

test('a host that was never accepted is refused, and says how to accept it', async () => {
  const error = await refused(
    { ...target, privateKeyPath, hostKey: undefined },
    'is not known yet',
    'ssh-ed25519',
    'setting hostKey',
  )
  expect(error).toBeInstanceOf(HostKeyError)
  expect(error).toMatchObject({ fingerprint: given('SSHD_HOST_KEY'), keyType: 'ssh-ed25519', pinned: undefined })
  expect(error.message).toContain(given('SSHD_HOST_KEY'))
})

test('a host is another host than before', async () => {
  const pinned = `SHA256:${'A'.repeat(43)}`
  const error = await refused(
    { ...target, password: SECRET, hostKey: pinned },
    'IS ANOTHER HOST THAN BEFORE',
    pinned,
    given('SSHD_HOST_KEY'),
  )
  expect(error).toBeInstanceOf(HostKeyError)
  expect(error).toMatchObject({ fingerprint: given('SSHD_HOST_KEY'), pinned })
})

test('nothing is tried at a host whose key is another', async () => {
  server = await startSshd()
  await refused({ ...server.target, password: SECRET, hostKey: given('SSHD_HOST_KEY') }, 'IS ANOTHER HOST')
  expect(server.count(/Failed|Accepted|userauth/)).toBe(0)
})

test.for([0, 1, 2])('of a host with keys of three kinds any may be pinned: %i', async (index) => {
  server = await startSshd([], ['ed25519', 'ecdsa', 'rsa'])
  const hostKey = fingerprintOf(path.join(server.directory, `host_${index}_${['ed25519', 'ecdsa', 'rsa'][index]}.pub`))
  const ssh = sshTransport({ ...server.target, hostKey }, { reopenSeconds: 0 })
  expect((await ssh.exec(['true'])).code).toBe(0)
  const looks = server.count('Connection from')
  expect(looks).toBe(index + 1)
  server.drop()
  await expect
    .poll(
      async () =>
        await ssh.exec(['true']).then(
          ({ code }) => code,
          () => undefined,
        ),
    )
    .toBe(0)
  // The kind that was right is asked for first.
  expect(server.count('Connection from')).toBe(looks + 1)
  await ssh.close()
})

test('a host that has lost the pinned key and has others is another host', async () => {
  server = await startSshd([], ['rsa', 'ecdsa'])
  const error = await refused({ ...server.target, hostKey: given('SSHD_HOST_KEY') }, 'IS ANOTHER HOST')
  expect(error).toMatchObject({ keyType: 'ecdsa-sha2-nistp256' })
  expect(server.count('Connection from')).toBeLessThanOrEqual(3)
})

test('a host is asked for its key without a login', async () => {
  server = await startSshd([], ['rsa', 'ed25519'])
  const key = await hostKeyOf(server.target)
  expect(key).toEqual({
    fingerprint: fingerprintOf(path.join(server.directory, 'host_1_ed25519.pub')),
    keyType: 'ssh-ed25519',
  })
  expect(server.count(/Failed|Accepted|userauth/)).toBe(0)
  const { port } = server.target
  await server.stop()
  expect((await refusal(hostKeyOf({ host: '127.0.0.1', port }))).code).toBe('unavailable')
})
