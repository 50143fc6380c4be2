import { execFileSync } from 'node:child_process'
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { inspect } from 'node:util'
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest'
import { sshTransport } from '../../src/transport/ssh.js'
import { gone, refusal, textOf, transportSuite } from '../transport/suite.js'
import { givenTarget, removeSshd, type SshServer, startSshd } from './ssh-server.js'

const target = givenTarget()
const home = execFileSync('getent', ['passwd', target.username]).toString().split(':')[5] as string
const account = statSync(home)
let dir = ''
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), "telesto transport 'x' "))
  chownSync(dir, account.uid, account.gid)
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const transport = sshTransport(target)
afterAll(() => transport.close())
transportSuite({ transport, dir: () => dir, fresh: () => sshTransport(target) })

const server = async (use: (server: SshServer) => Promise<void>, settings: readonly string[] = []): Promise<void> => {
  const own = await startSshd(settings)
  try {
    await use(own)
  } finally {
    await removeSshd(own)
  }
}

test('relative paths are below the home of the login, for commands and files alike', async () => {
  const name = `telesto-${process.pid}`
  try {
    await transport.mkdir(`${name}/-r/deep`)
    await transport.write(`${name}/-r/f`, 'x')
    expect(readdirSync(path.join(home, name, '-r')).sort()).toEqual(['deep', 'f'])
    expect(textOf((await transport.exec(['pwd'], { cwd: `${name}/-r` })).stdout)).toBe(`${home}/${name}/-r\n`)
    expect(textOf((await transport.exec(['pwd'])).stdout)).toBe(`${home}\n`)
    expect((await transport.list(name)).map((entry) => entry.name)).toEqual(['-r'])
    expect((await refusal(transport.read('~/f'))).message).toContain('must not begin with ~')
    for (const precious of ['.', './', 'a/..', '..', '../x', 'a/../..', '/', '//', '/a/..'])
      expect((await refusal(transport.remove(precious))).code).toBe('invalid_job')
  } finally {
    await transport.remove(name)
  }
  expect(readdirSync(home)).not.toContain(name)
})

test('what a closed transport ran is ended on the host', async () => {
  const own = sshTransport(target)
  const pids = path.join(dir, 'pids')
  const call = refusal(own.exec(['sh', '-c', 'sleep 60 & echo $! $$ > "$1"; wait', 'sh', pids]))
  await expect.poll(() => (existsSync(pids) ? readFileSync(pids, 'utf8') : '')).toMatch(/\d+ \d+\n/)
  await own.close()
  await call
  const all = readFileSync(pids, 'utf8').trim().split(' ').map(Number)
  await expect.poll(() => all.every(gone)).toBe(true)
})

test('what is the matter on this machine is not told of the host', async () => {
  await transport.write(path.join(dir, 'f'), 'x')
  const nowhere = path.join(dir, 'no', 'such')
  const got = await refusal(transport.get(path.join(dir, 'f'), nowhere))
  expect([got.code, got.message.startsWith(nowhere)]).toEqual(['unavailable', true])
  for (const input of [nowhere, dir, 'relative', '/dev/null'])
    expect((await refusal(transport.put(input, path.join(dir, 'g')))).code).toBe('invalid_job')
  expect((await refusal(transport.get(path.join(dir, 'f'), 'relative'))).code).toBe('invalid_job')
})

test('env is in no list of processes', async () => {
  const { stdout } = await transport.exec(['/bin/sh', '-c', 'ps -eo args; echo "$SECRET"'], {
    env: { SECRET: 'hidden-word' },
  })
  expect(textOf(stdout)?.split('hidden-word')).toHaveLength(2)
  expect((await refusal(transport.exec(['true'], { env: { 'A;B': '' } }))).code).toBe('invalid_job')
})

test.for(['/bin/bash', '/bin/dash', '/bin/tcsh', '/usr/bin/fish'])(
  'the shell of the login may be %s',
  async (shell) => {
    const name = `telesto-${path.basename(shell)}`
    execFileSync('sh', ['-c', 'id "$1" >/dev/null 2>&1 || useradd -m -p "*" -s "$2" "$1"', 'sh', name, shell])
    try {
      await server(
        async ({ target: at }) => {
          const own = sshTransport({ ...at, username: name })
          const words = ['a b', "it's", '!!', '$HOME', '\n', '', '-n', 'Á', '*']
          const { code, stdout, stderr } = await own.exec(['sh', '-c', 'printf "%s|" "$@" "$V"; cat', 'sh', ...words], {
            env: { V: '!v' },
            stdin: 'in',
          })
          expect([code, textOf(stdout), textOf(stderr)]).toEqual([0, `${words.join('|')}|!v|in`, ''])
          expect((await own.exec(['telesto-no-such'])).code).toBe(127)
          expect((await own.exec(['sh', '-c', 'kill -9 $$'])).code).toBe(null)
          await own.write('f', 'x')
          expect(textOf(await own.read('f'))).toBe('x')
          await own.close()
        },
        [`AllowUsers ${name}`],
      )
    } finally {
      execFileSync('userdel', ['-r', name], { stdio: 'ignore' })
    }
  },
)

test('a hundred commands and files share one connection and one login', async () => {
  await server(async (own) => {
    const ssh = sshTransport(own.target)
    await Promise.all(
      Array.from({ length: 100 }, async (_, i) => {
        expect(textOf((await ssh.exec(['echo', `${i}`])).stdout)).toBe(`${i}\n`)
        if (i % 10 === 0) expect(await ssh.read(`/telesto/no-${i}`)).toBeUndefined()
      }),
    )
    await ssh.close()
    expect(own.count('Connection from')).toBe(1)
    expect(own.count('Accepted publickey')).toBe(1)
    expect(own.count('Starting session: command')).toBe(100)
    expect(own.count("Starting session: subsystem 'sftp'")).toBe(1)
    expect(own.log()).not.toContain('no more sessions')
  })
})

test.for([1, 2, 3])('a host of MaxSessions %i gets as many channels as it allows, and no call fails', async (max) => {
  await server(
    async (own) => {
      const ssh = sshTransport(own.target)
      await Promise.all(
        Array.from({ length: 30 }, async (_, i) => {
          expect(textOf((await ssh.exec(['echo', `${i}`])).stdout)).toBe(`${i}\n`)
          if (i % 5 === 0) expect(await ssh.read(`/telesto/no-${i}`)).toBeUndefined()
        }),
      )
      await ssh.close()
      expect(own.count('Accepted publickey')).toBe(1)
    },
    [`MaxSessions ${max}`],
  )
})

test('a call that waits for a channel can be aborted, and the others go on', async () => {
  const ssh = sshTransport(target, { maxChannels: 1 })
  const first = ssh.exec(['sleep', '1'])
  const controller = new AbortController()
  const second = refusal(ssh.exec(['true'], { signal: controller.signal }))
  const third = ssh.exec(['echo', 'third'])
  const fourth = refusal(ssh.exec(['true'], { timeoutMs: 200 }))
  controller.abort()
  expect((await second).message).toContain('aborted')
  expect((await fourth).message).toContain('200 ms')
  expect((await first).code).toBe(0)
  expect(textOf((await third).stdout)).toBe('third\n')
  await ssh.close()
})

test('calls that are aborted while their channel is being opened take no channel from the others', async () => {
  for (let call = 0; call < 60; call++) {
    const controller = new AbortController()
    const running = transport.exec(['cat'], { stdin: 'x'.repeat(1000), signal: controller.signal })
    const ended = running.catch(() => 'aborted')
    // From before the request for the channel to after its answer.
    for (const until = performance.now() + (call % 30) / 10; performance.now() < until; )
      await new Promise((settle) => setImmediate(settle))
    controller.abort()
    await ended
  }
  const many = Array.from({ length: 16 }, () => transport.exec(['true'], { timeoutMs: 20_000 }))
  expect((await Promise.all(many)).map(({ code }) => code)).toEqual(Array(16).fill(0))
})

test('a connection that nobody uses is closed, and opened again when it is needed', async () => {
  await server(async (own) => {
    const ssh = sshTransport(own.target, { idleSeconds: 0.3 })
    expect((await ssh.exec(['sleep', '1'])).code).toBe(0) // what runs is a use
    await ssh.write('f', 'x')
    await expect.poll(() => own.count('Disconnected from user')).toBe(1)
    expect(textOf(await ssh.read('f'))).toBe('x')
    await ssh.close()
    expect(own.count('Accepted publickey')).toBe(2)
  })
})

test('nothing that can be looked at holds a secret', async () => {
  const ssh = sshTransport({ ...target, password: 'hidden-word', privateKeyPass: 'hidden-word' })
  expect(inspect(ssh, { depth: 9, showHidden: true })).not.toContain('hidden-word')
  const failed = await refusal(ssh.exec(['true']).then(() => ssh.list('/root')))
  expect(inspect(failed, { depth: 9, showHidden: true })).not.toContain('hidden-word')
  expect(failed.message).toContain('Permission denied')
  await ssh.close()
})

test('put and get hold no file in memory', async () => {
  const big = path.join(dir, 'big')
  const size = 300 * 1024 * 1024
  execFileSync('truncate', ['-s', `${size}`, big])
  const before = process.memoryUsage().rss
  let most = before
  const watch = setInterval(() => {
    most = Math.max(most, process.memoryUsage().rss)
  }, 20)
  await transport.put(big, path.join(dir, 'there'))
  await transport.get(path.join(dir, 'there'), path.join(dir, 'back'))
  clearInterval(watch)
  expect(statSync(path.join(dir, 'back')).size).toBe(size)
  expect(most - before).toBeLessThan(size / 2)
})
