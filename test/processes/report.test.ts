import { readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import express from 'express'
import { expect, onTestFinished, test } from 'vitest'
import { local } from '../../adapters/local.js'
import { createTelesto, type Job } from '../../src/index.js'
import { temporaryDirectory } from '../fixture.js'

// Real jobs that report to a real portal, in the ways that the documents tell.

const CLI = fileURLToPath(new URL('../../dist/src/cli/telesto.js', import.meta.url))
const USING = readFileSync(new URL('../../docs/using.md', import.meta.url), 'utf8')

/** The line of the document's shell blocks that starts so. */
const told = (start: string): string => {
  const blocks = [...USING.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, text]) => text ?? '')
  const line = blocks.flatMap((text) => text.split('\n')).find((text) => text.startsWith(start))
  if (line === undefined) throw new Error(`docs/using.md tells no line that starts with ${start}`)
  return line
}

const start = async () => {
  const directory = await temporaryDirectory()
  const app = express()
  const server = await new Promise<Server>((resolve) => {
    const listening = app.listen(0, '127.0.0.1', () => resolve(listening))
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/telesto`
  const telesto = await createTelesto({ adapters: [local], directory, url })
  app.use('/telesto', telesto.router)
  onTestFinished(async () => {
    await telesto.close()
    server.closeAllConnections()
    server.close()
    await rm(directory, { recursive: true, force: true })
  })
  const flood = telesto.app('flood')
  /** Runs a line of the shell as a job; what it writes, and its end. */
  const run = async (line: string): Promise<{ readonly job: Job; readonly output: string }> => {
    const job = await flood.createJob({
      name: 'reports',
      user: 'ada',
      jobType: 'BASIC',
      command: ['/bin/sh', '-c', line],
    })
    await job.execute()
    await job.done({ timeoutMs: 25_000 })
    const texts = ['stdout', 'stderr'].map(async (name) => (await job.readLog({ name })).bytes)
    return { job, output: Buffer.concat(await Promise.all(texts)).toString() }
  }
  return { run }
}

test('the documented line of curl reports, says nothing, and fails where the portal refuses', async () => {
  const { run } = await start()
  const line = told('curl ')
  const { job, output } = await run(line)
  expect([job.status, job.progress, job.statusMessage, output]).toEqual(['Complete', 0.4, 'step 4 of 10', ''])
  const refused = await run(line.replace('"progress": 0.4', '"progress": 4'))
  expect([refused.job.status, refused.job.progress]).toEqual(['Complete', null])
  expect(refused.output).toContain('400')
  const strict = await run(line.replace('0.4', '4').replace(' || true', ''))
  expect([strict.job.status, strict.job.exitCode]).toEqual(['Error', 22])
})

test('the documented line of telesto report does the same', async () => {
  const { run } = await start()
  const line = told('npx telesto report ').replace('npx telesto', `'${process.execPath}' '${CLI}'`)
  const { job, output } = await run(line)
  expect([job.status, job.progress, job.statusMessage, output]).toEqual(['Complete', 0.4, 'step 4 of 10', ''])
  const token = 'sed -n "s/.*Bearer \\(.*\\)\\"/\\1/p" "$TELESTO_REPORT"'
  const told6 = await run(`${line.replace(' || true', ' --node a=b')}; code=$?; ${token}; exit $code`)
  expect([told6.job.status, told6.job.exitCode]).toEqual(['Error', 6])
  const [secret, ...said] = told6.output.trim().split('\n')
  expect(secret).toMatch(/^t[0-9a-f]{32}\.[\w-]{43}$/)
  expect(said.join()).toMatch(/^telesto: The report is wrong: nodes\.a/)
  expect(said.join()).not.toContain(secret)
})
