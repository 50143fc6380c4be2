import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { Client } from 'ssh2'
import type { Login } from './far-side.ts'

/** One connection that is kept open, and a command on it: the least that asking over SSH can cost. */
export interface RawSsh {
  /** Answers what the command wrote. Throws where it failed. */
  run(command: string, stdin?: string): Promise<Buffer>
  close(): void
}

export const quoted = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`

export const connectRaw = async ({ host, port, username, privateKeyPath }: Login): Promise<RawSsh> => {
  const client = new Client()
  client.connect({ host, port, username, privateKey: readFileSync(privateKeyPath) })
  await once(client, 'ready')
  client.setNoDelay(true)
  return {
    run: (command, stdin = '') =>
      new Promise((resolve, reject) => {
        client.exec(command, (error, channel) => {
          if (error) return reject(error)
          const out: Buffer[] = []
          const err: Buffer[] = []
          channel.on('data', (chunk: Buffer) => out.push(chunk))
          channel.stderr.on('data', (chunk: Buffer) => err.push(chunk))
          channel.on('close', (code: number) => {
            if (code === 0) resolve(Buffer.concat(out))
            else reject(new Error(`${command.slice(0, 200)} ended with ${code}: ${Buffer.concat(err)}`))
          })
          channel.end(stdin)
        })
      }),
    close: () => client.end(),
  }
}
