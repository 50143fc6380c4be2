import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, vi } from 'vitest'

const main = fileURLToPath(new URL('../../examples/portal/main.ts', import.meta.url))

export const freePort = async (): Promise<number> =>
  await new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })

/** The example portal as `npm start` runs it, in an empty directory and on a free port. */
export const startPortal = async (): Promise<{
  readonly origin: string
  readonly directory: string
  readonly stop: () => Promise<void>
}> => {
  const directory = mkdtempSync(path.join(tmpdir(), 'telesto-portal-'))
  const port = await freePort()
  const origin = `http://127.0.0.1:${port}`
  const env = { ...process.env, PORT: String(port) }
  const portal = spawn(process.execPath, [main], { cwd: directory, env, stdio: ['ignore', 'ignore', 'inherit'] })
  const up = async () => expect((await fetch(`${origin}/telesto/jobs`)).status).toBe(200)
  await vi.waitFor(up, { timeout: 20_000, interval: 100 })
  return {
    origin,
    directory,
    async stop() {
      const ended = new Promise((resolve) => portal.once('exit', resolve))
      portal.kill('SIGTERM')
      await ended
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
