import { spawn } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import ssh2 from 'ssh2'
import { onTestFinished } from 'vitest'

/** An SSH server in this process, on a port of its own: it takes one password, and runs commands in a shell. */
export const sshServer = async (password: string) => {
  const hostKeys = [newHostKey()]
  let logins = 0
  const open = new Set<ssh2.Connection>()
  const listener = (client: ssh2.Connection): void => {
    open.add(client)
    client.on('close', () => open.delete(client))
    client.on('error', () => {})
    client.on('authentication', (attempt) => {
      if (attempt.method !== 'password') return attempt.reject(['password'])
      logins++
      if (attempt.password === password) attempt.accept()
      else attempt.reject(['password'])
    })
    client.on('session', (accept) => {
      accept().on('exec', (acceptExec, _reject, { command }) => {
        const channel = acceptExec()
        const child = spawn('/bin/sh', ['-c', command])
        channel.pipe(child.stdin)
        child.stdout.pipe(channel, { end: false })
        child.stderr.pipe(channel.stderr, { end: false })
        child.on('close', (code) => {
          channel.exit(code ?? 1)
          channel.end()
        })
      })
    })
  }
  let server = new ssh2.Server({ hostKeys }, listener)
  const listen = async (port: number): Promise<number> => {
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
    return (server.address() as AddressInfo).port
  }
  const stop = async (): Promise<void> => {
    for (const client of open) client.end()
    await new Promise<void>((resolve) => server.close(() => resolve()))
  }
  const port = await listen(0)
  onTestFinished(stop)
  return {
    port,
    /** How often somebody tried a password. */
    get logins() {
      return logins
    },
    /** The host is installed anew: another key, the same address. */
    async reinstall(): Promise<void> {
      await stop()
      server = new ssh2.Server({ hostKeys: [newHostKey()] }, listener)
      await listen(port)
    },
  }
}

const newHostKey = (): string =>
  generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'pkcs1', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  }).privateKey
