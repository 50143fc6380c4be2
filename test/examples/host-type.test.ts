import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { createTelesto } from 'telesto'
import { describeAdapter } from 'telesto/adapters/testing'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { models } from '../../examples/host-type/adapter.ts'
import { type Models, startService } from '../../examples/host-type/service.ts'

const PROGRAMS: Models = {
  true: ['true'],
  exit: ['/bin/sh', '-c', 'exit "$1"', 'sh'],
  sleep: ['sleep', '600'],
  print: ['/bin/sh', '-c', 'printf "%s\\0" "$@"', 'sh'],
}

/** The way to the service: it can be cut, hang, or answer nonsense. */
const startLink = async (service: string) => {
  let way: 'open' | 'cut' | 'hung' | 'garbled' = 'open'
  const pass = (asked: IncomingMessage, answer: ServerResponse): void => {
    const on = request(service + asked.url, { method: asked.method ?? 'POST', headers: asked.headers }, (told) => {
      answer.writeHead(told.statusCode ?? 502, told.headers)
      told.pipe(answer)
    })
    on.on('error', () => answer.destroy())
    answer.on('close', () => on.destroy())
    asked.pipe(on)
  }
  const server = createServer((asked, answer) => {
    if (way === 'open') pass(asked, answer)
    else if (way === 'cut') asked.socket.destroy()
    else if (way === 'garbled') answer.end('<html>Bad gateway</html>')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const set = (to: typeof way) => () => {
    way = to
    if (to === 'cut') server.closeAllConnections()
  }
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut: set('cut'),
    hang: set('hung'),
    garble: set('garbled'),
    heal: set('open'),
    async close(): Promise<void> {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

describeAdapter(models, {
  start: async () => {
    const service = await startService(PROGRAMS)
    const link = await startLink(service.url)
    return {
      config: { url: link.url },
      jobType: 'MODEL',
      workdir: (token) => `/models/${token}`,
      specs: {
        succeeds: { model: 'true' },
        fails: (code) => ({ model: 'exit', arguments: [String(code)] }),
        runs: { model: 'sleep' },
        prints: (words) => ({ model: 'print', arguments: [...words] }),
        invalid: { model: 'nobody’s' },
      },
      output: async ({ token }) => {
        const answer = await fetch(`${service.url}/output`, { method: 'POST', body: JSON.stringify([token]) })
        return Buffer.from(((await answer.json()) as Record<string, string>)[token] ?? '')
      },
      link,
      patience: 15_000,
      stop: async () => {
        await link.close()
        await service.close()
      },
    }
  },
})

const portal = async () => {
  const service = await startService(PROGRAMS)
  const link = await startLink(service.url)
  const directory = await mkdtemp(path.join(tmpdir(), 'telesto-host-type-'))
  const telesto = await createTelesto({ adapters: [models], directory })
  onTestFinished(async () => {
    await telesto.close()
    await link.close()
    await service.close()
    await rm(directory, { recursive: true, force: true })
  })
  await telesto.createScheduler({ name: 'ours', adapter: 'models', config: { url: link.url }, pollSeconds: 0.1 })
  const flood = telesto.app('flood', { schedulerSettings: { models: { adapter: 'models' } } })
  await telesto.assignScheduler('flood', 'models', 'ours')
  const run = async (model: string, ...more: string[]) => {
    const common = { name: 'run {id}', user: 'ada', jobType: 'MODEL', scheduler: 'models' } as const
    const job = await flood.createJob({ ...common, model, arguments: more })
    await job.execute()
    return job
  }
  return { telesto, link, run }
}
type Run = Awaited<ReturnType<Awaited<ReturnType<typeof portal>>['run']>>
const become = async (job: Run, status: string) =>
  await vi.waitFor(
    async () => {
      await job.refresh()
      expect(job.status).toBe(status)
    },
    { timeout: 20_000, interval: 50 },
  )

describe('jobs of the type MODEL, from createJob to their output', () => {
  test('end as the service says: Complete with the output, Error with the exit code or the refusal', async () => {
    const { run } = await portal()
    const [printed, failed, unknown] = [await run('print', 'a b', "it's"), await run('exit', '3'), await run('nobody')]
    await become(printed, 'Complete')
    expect((await printed.results()).map(({ path: name }) => name)).toEqual(['output.txt'])
    expect(await readFile(await printed.resultPath('output.txt'), 'utf8')).toBe("a b\0it's\0")
    await become(failed, 'Error')
    expect([failed.exitCode, failed.nativeState]).toEqual([3, 'failed'])
    await become(unknown, 'Error')
    expect(unknown.reason).toContain('there is no model "nobody"')
  })
  test('outlast an outage of the service, and can be stopped and resubmitted', async () => {
    const { telesto, link, run } = await portal()
    const job = await run('sleep')
    await become(job, 'Running')
    link.cut()
    await vi.waitFor(async () => expect((await telesto.getScheduler('ours'))?.health).toBe('degraded'), {
      timeout: 20_000,
      interval: 50,
    })
    await become(job, 'Running')
    link.heal()
    await job.stop()
    await become(job, 'Aborted')
    await job.resubmit()
    await become(job, 'Running')
    expect(job.attempt).toBe(2)
    await job.delete({ stop: true })
  })
})

test('the adapter is as short as the documents say, and they show it as it is', async () => {
  const source = await readFile(new URL('../../examples/host-type/adapter.ts', import.meta.url), 'utf8')
  expect(source.trimEnd().split('\n').length).toBeLessThanOrEqual(60)
  expect(await readFile(new URL('../../docs/adapters.md', import.meta.url), 'utf8')).toContain(source)
})

test('the example runs as its README says', async () => {
  const main = fileURLToPath(new URL('../../examples/host-type/main.ts', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, [main], { timeout: 60_000 })
  expect(stdout).toBe('reservoir 1 Complete run-1\nday,outflow\n1,5.00\n2,2.50\n3,1.25\n\n')
}, 90_000)
