import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { inspect } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Transport } from '../../src/adapter.js'
import { sshTransport } from '../../src/transport/ssh.js'
import type { SshOptions } from '../../src/transport/ssh-connection.js'
import { hostKeyOf } from '../../src/transport/ssh-login.js'
import { refusal, textOf } from '../transport/suite.js'
import { freePort, givenTarget, removeSshd, type SshServer, sleep, startSshd } from './ssh-server.js'

let dir = ''
let server: SshServer | undefined
const open: Transport[] = []
const listeners: Server[] = []
const sockets = new Set<Socket>()
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'telesto-faults-'))
  chmodSync(dir, 0o777)
})
afterEach(async () => {
  await Promise.all(open.splice(0).map((ssh) => ssh.close()))
  await removeSshd(server)
  server = undefined
  for (const socket of sockets) socket.destroy()
  for (const listener of listeners.splice(0)) listener.close()
  rmSync(dir, { recursive: true, force: true })
})

const sshd = async (...settings: string[]): Promise<SshServer> => {
  server = await startSshd(settings)
  return server
}
const connect = (to: SshServer['target'], options: SshOptions = { reopenSeconds: 0 }): Transport => {
  const ssh = sshTransport(to, options)
  open.push(ssh)
  return ssh
}
/** A port of this machine on which that is said to whoever comes. */
const listener = async (greet: (socket: Socket) => void): Promise<SshServer['target']> => {
  const own = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    greet(socket)
  }).listen(0, '127.0.0.1')
  listeners.push(own)
  await new Promise((settle) => own.once('listening', settle))
  const address = own.address()
  return { ...givenTarget(), port: typeof address === 'object' && address ? address.port : 0 }
}
const timed = async <T>(work: Promise<T>): Promise<{ value: T; ms: number }> => {
  const began = performance.now()
  const value = await work
  return { value, ms: performance.now() - began }
}

test('a host that does not answer: a socket that never speaks', async () => {
  const silent = await listener(() => {})
  const ssh = connect(silent, { connectSeconds: 1 })
  const { value, ms } = await timed(Promise.all([refusal(ssh.exec(['true'])), refusal(ssh.read('/f'))]))
  for (const error of value) {
    expect(error.code).toBe('unavailable')
    expect(error.message).toContain(`127.0.0.1:${silent.port} did not answer within 1 s`)
  }
  expect(ms).toBeLessThan(15_000)
  expect(sockets.size).toBe(1) // one look for both
  expect((await refusal(hostKeyOf(silent, { connectSeconds: 0.3 }))).code).toBe('unavailable')
})

test('a host that does not answer: a refused port, a name that nobody knows', async () => {
  const port = await freePort()
  const error = await refusal(connect({ ...givenTarget(), port }).exec(['true']))
  expect([error.code, error.message]).toEqual(['unavailable', expect.stringContaining('ECONNREFUSED')])
  const nowhere = await refusal(connect({ ...givenTarget(), host: 'no-such-host.invalid' }).exec(['true']))
  const twice = await refusal(connect({ ...givenTarget(), host: 'localhost', port }).exec(['true']))
  expect([twice.code, twice.message]).toEqual(['unavailable', expect.stringContaining('ECONNREFUSED')])
  expect([nowhere.code, nowhere.message]).toEqual(['unavailable', expect.stringContaining('no-such-host.invalid')])
})

test('a host that hangs up before it has said anything', async () => {
  const error = await refusal(connect(await listener((socket) => socket.destroy())).exec(['true']))
  expect(error.code).toBe('unavailable')
})

test('a call that is aborted while the host is silent ends at once', async () => {
  const ssh = connect(await listener(() => {}))
  const controller = new AbortController()
  const call = refusal(ssh.exec(['true'], { signal: controller.signal }))
  await sleep(50)
  const { ms } = await timed(Promise.resolve(controller.abort()).then(() => call))
  expect((await call).code).toBe('unavailable')
  expect(ms).toBeLessThan(1000)
  const { ms: closing } = await timed(ssh.close())
  expect(closing).toBeLessThan(1000)
})

test('a host that answers with a banner of 1 MB', async () => {
  const before = process.memoryUsage().heapUsed
  for (const banner of ['x'.repeat(1024 * 1024), 'a line\r\n'.repeat(131_072), '\0'.repeat(1024 * 1024)]) {
    const error = await refusal(connect(await listener((socket) => socket.end(banner))).exec(['true']))
    expect(error.code).toBe('protocol')
    expect(error.message.length).toBeLessThan(1000)
  }
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(64 * 1024 * 1024)
})

test.for([
  ['1 MB, at which sshd itself gives up', 49_932, 'unavailable'],
  ['200 kB', 10_000, 'protocol'],
] as const)('a banner at the login of %s', async ([, lines, code]) => {
  const banner = path.join(dir, 'banner')
  writeFileSync(banner, 'a line of the banner\n'.repeat(lines))
  const own = await sshd(`Banner ${banner}`)
  const error = await refusal(connect(own.target).exec(['true']))
  expect(error.code).toBe(code)
  expect(error.message.length).toBeLessThan(1000)
  writeFileSync(banner, 'a line of the banner\n'.repeat(100))
  expect((await connect(own.target).exec(['true'])).code).toBe(0)
})

test('another protocol at the port', async () => {
  const web = await listener((socket) => socket.end('HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n<html></html>\r\n'))
  expect((await refusal(connect(web).exec(['true']))).code).toMatch(/unavailable|protocol/)
  const old = await listener((socket) => socket.end('SSH-1.5-OpenSSH_2.0\r\n'))
  expect((await refusal(connect(old).exec(['true']))).code).toBe('protocol')
  const mad = await listener((socket) =>
    socket.end(Buffer.concat([Buffer.from('SSH-2.0-mad\r\n'), crypto.getRandomValues(Buffer.alloc(4096))])),
  )
  expect((await refusal(connect(mad).exec(['true']))).code).toBe('protocol')
})

test('a session that is dropped in the middle of commands and files: all of them are unavailable, and the next call works', async () => {
  const own = await sshd()
  const lost: object[] = []
  const log = { debug() {}, info() {}, warn: (facts: object) => void lost.push(facts), error() {} }
  const ssh = connect(own.target, { log, reopenSeconds: 0 })
  const big = path.join(dir, 'big')
  execFileSync('truncate', ['-s', '2G', big])
  const calls = [
    refusal(ssh.exec(['sleep', '20'])),
    refusal(ssh.exec(['cat'], { stdin: new Uint8Array(1000) }).then(() => ssh.exec(['sleep', '20']))),
    refusal(ssh.put(big, path.join(dir, 'there'))),
    refusal(ssh.get(big, path.join(dir, 'back'))),
  ]
  await expect.poll(() => own.count('Starting session')).toBeGreaterThanOrEqual(4)
  await sleep(100)
  own.drop()
  for (const call of calls) {
    const error = await call
    expect([error.code, error.message]).toEqual(['unavailable', expect.stringContaining('was lost')])
  }
  expect(lost).toHaveLength(1)
  expect(readdirSync(dir).filter((name) => ['there', 'back'].includes(name))).toEqual([])
  expect(textOf((await ssh.exec(['echo', 'again'])).stdout)).toBe('again\n')
  expect(await ssh.read('/telesto/no')).toBeUndefined()
})

test('a host that hangs is noticed in bounded time, with all that waits for it', async () => {
  const own = await sshd()
  const ssh = connect(own.target, { keepAliveSeconds: 3, reopenSeconds: 0, connectSeconds: 2 })
  expect((await ssh.exec(['true'])).code).toBe(0)
  expect(await ssh.read('/telesto/no')).toBeUndefined()
  const running = refusal(ssh.exec(['sleep', '20']))
  await sleep(200)
  own.freeze()
  const { value, ms } = await timed(
    Promise.all([running, refusal(ssh.exec(['true'])), refusal(ssh.write('f', 'x')), refusal(ssh.remove('f'))]),
  )
  for (const error of value)
    expect([error.code, error.message]).toEqual(['unavailable', expect.stringContaining('answered nothing for 3 s')])
  expect(ms).toBeLessThan(15_000)
  expect((await refusal(ssh.exec(['true']))).message).toContain('did not answer within 2 s')
  own.thaw()
  await expect
    .poll(() =>
      ssh.exec(['true']).then(
        ({ code }) => code,
        () => undefined,
      ),
    )
    .toBe(0)
})

test('a long command that says nothing is no host that hangs', async () => {
  const own = await sshd()
  const ssh = connect(own.target, { keepAliveSeconds: 2 })
  expect((await ssh.exec(['sleep', '5'])).code).toBe(0)
  await sleep(3000)
  expect((await ssh.exec(['true'])).code).toBe(0)
  expect(own.count('Accepted publickey')).toBe(1)
})

test('an sshd that is restarted: it recovers by itself', async () => {
  const own = await sshd()
  const ssh = connect(own.target, { reopenSeconds: 0.2 })
  await ssh.write('telesto-f', 'kept')
  await own.stop()
  await expect.poll(() => refusal(ssh.exec(['true'])).then(({ message }) => message)).toContain('ECONNREFUSED')
  await own.start()
  await expect.poll(() => ssh.read('telesto-f').then(textOf, () => undefined)).toBe('kept')
  expect((await ssh.exec(['rm', 'telesto-f'])).code).toBe(0)
})

test('a dead host is not hammered: calls get the last reason at once', async () => {
  let looks = 0
  const target = await listener((socket) => {
    looks += 1
    socket.destroy()
  })
  const ssh = connect(target, { reopenSeconds: 3 })
  const first = await refusal(ssh.exec(['true']))
  for (const error of await Promise.all(Array.from({ length: 50 }, () => refusal(ssh.exec(['true'])))))
    expect([error.code, error.message]).toEqual([first.code, first.message])
  expect(looks).toBe(1)
  await sleep(3100)
  await refusal(ssh.exec(['true']))
  expect(looks).toBe(2)
})

test('a refused login is not tried again and again', async () => {
  const own = await sshd('PasswordAuthentication no')
  const { privateKeyPath: _, ...target } = own.target
  const ssh = connect({ ...target, password: 'hidden-word' }, {})
  const errors = await Promise.all(Array.from({ length: 20 }, () => refusal(ssh.list('.'))))
  errors.push(await refusal(ssh.exec(['true'])))
  for (const error of errors) expect(error.code).toBe('auth')
  expect(own.count('Connection from')).toBe(1)
  expect(inspect(errors, { depth: 9, showHidden: true })).not.toContain('hidden-word')
})

test('a session of SFTP that ends or hangs is opened again, and commands go on meanwhile', async () => {
  const pids = path.join(dir, 'pids')
  const helper = path.join(dir, 'sftp')
  writeFileSync(helper, `#!/bin/sh\necho $$ >> ${pids}\nexec /usr/lib/openssh/sftp-server\n`, { mode: 0o755 })
  const own = await sshd(`Subsystem sftp ${helper}`)
  const ssh = connect(own.target, { answerSeconds: 3 })
  const pid = async () => (await ssh.exec(['tail', '-n1', pids])).stdout
  expect(await ssh.read('/telesto/no')).toBeUndefined()
  await ssh.exec(['kill', '-9', textOf(await pid())?.trim() ?? ''])
  await expect
    .poll(() =>
      ssh.read('/telesto/no').then(
        () => 'read',
        ({ code }) => code,
      ),
    )
    .toBe('read')
  await ssh.exec(['kill', '-STOP', textOf(await pid())?.trim() ?? ''])
  const hung = await refusal(ssh.list('/'))
  expect([hung.code, hung.message]).toEqual(['unavailable', expect.stringContaining('no answer from SFTP within 3 s')])
  await ssh.write(path.join(dir, 'f'), 'x')
  expect(own.count('Accepted publickey')).toBe(1)
  await ssh.exec([
    'kill',
    '-9',
    ...(textOf((await ssh.exec(['cat', pids])).stdout)
      ?.trim()
      .split('\n') ?? []),
  ])
})

test('a connection on which no channel can be opened any more is given up for a new one', async () => {
  const own = await sshd('MaxSessions 0')
  const ssh = connect(own.target)
  const error = await refusal(ssh.exec(['true']))
  expect([error.code, error.message]).toEqual(['unavailable', expect.stringContaining('opened no channel')])
  await refusal(ssh.exec(['true'], { timeoutMs: 2000 }))
  expect(own.count('Accepted publickey')).toBe(2)
})

test('a host without SFTP says so, and commands work', async () => {
  const own = await sshd('Subsystem sftp /telesto/no-such-program')
  const ssh = connect(own.target)
  for (let i = 0; i < 15; i++) expect((await refusal(ssh.read('/f'))).code).toBe('unavailable')
  expect((await ssh.exec(['true'])).code).toBe(0)
  expect(own.count('Accepted publickey')).toBe(1)
})

test('start-up files that print do not end this process', async () => {
  const noisy = path.join(dir, 'noisy')
  writeFileSync(
    noisy,
    '#!/bin/sh\nfor i in 1 2 3 4 5; do echo Welcome to the cluster; sleep 0.05; done\nexec sleep 5\n',
    { mode: 0o755 },
  )
  const own = await sshd(`Subsystem sftp ${noisy}`)
  const ssh = connect(own.target)
  for (let i = 0; i < 3; i++) {
    const error = await refusal(ssh.read('/f'))
    expect([error.code, error.message]).toEqual(['protocol', expect.stringContaining('.bashrc')])
  }
  await sleep(500)
  expect((await ssh.exec(['true'])).code).toBe(0)
  expect(own.count('Accepted publickey')).toBe(1)
})

test('a remote disk that is full', async () => {
  const disk = path.join(dir, 'disk')
  mkdirSync(disk)
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,mode=777', 'tmpfs', disk])
  try {
    const ssh = connect((await sshd()).target)
    const target = path.join(disk, 'f')
    await ssh.write(target, 'kept')
    const big = path.join(dir, 'big')
    writeFileSync(big, Buffer.alloc(3_000_000))
    for (const write of [() => ssh.write(target, Buffer.alloc(3_000_000)), () => ssh.put(big, target)]) {
      const error = await refusal(write())
      expect([error.code, error.message]).toEqual(['unavailable', expect.stringContaining('no space is left')])
      expect(error.message).toContain(target)
    }
    expect(textOf(await ssh.read(target))).toBe('kept')
    expect(readdirSync(disk)).toEqual(['f'])
    execFileSync('sh', ['-c', 'cat /dev/zero > "$1" 2>/dev/null || true', 'sh', path.join(disk, 'filler')])
    expect((await refusal(ssh.write(path.join(disk, 'g'), 'more'))).message).toContain('no space is left')
    expect((await ssh.exec(['sh', '-c', 'echo x > h'], { cwd: disk })).code).not.toBe(0)
    expect(statSync(target).size).toBe(4)
  } finally {
    execFileSync('umount', [disk])
  }
})

test('an account that may not write there', async () => {
  const ssh = connect(givenTarget())
  const files = [ssh.write('/etc/telesto', 'x'), ssh.put('/etc/hostname', '/etc/telesto'), ssh.list('/root')]
  for (const error of await Promise.all(files.map(refusal)))
    expect([error.code, error.message]).toEqual(['unavailable', expect.stringContaining('Permission denied')])
  for (const error of await Promise.all([ssh.mkdir('/etc/telesto'), ssh.remove('/etc/hostname')].map(refusal)))
    expect(error.message).toContain('Permission denied')
  expect((await refusal(ssh.write(path.join(dir, 'no/such/f'), 'x'))).message).toContain('No such file')
})

test('what is closed while its host hangs is closed: no socket keeps the process from ending', async () => {
  const sockets = () => process.getActiveResourcesInfo().filter((one) => one === 'TCPSocketWrap').length
  const own = await sshd()
  const before = sockets()
  const [ssh, other] = [connect(own.target), connect({ ...own.target, hostKey: `SHA256:${'A'.repeat(43)}` })]
  expect((await ssh.exec(['true'])).code).toBe(0)
  expect((await refusal(other.exec(['true']))).message).toContain('IS ANOTHER HOST')
  expect(sockets()).toBeGreaterThan(before)
  own.freeze()
  const { ms } = await timed(ssh.close())
  expect(ms).toBeLessThan(10_000)
  await expect.poll(sockets, { timeout: 10_000 }).toBe(before)
})
