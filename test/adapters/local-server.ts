// A server that can be killed: submits what its argument says, prints what it was told, and stays.

import type { BasicRequest } from '../../adapters/local/start.js'
import { local } from '../../adapters/local.js'
import { localTransport } from '../../src/transport/local.js'

const jobs = JSON.parse(process.argv[2] ?? '[]') as BasicRequest[]
const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
const scheduler = local.connect(local.config.parse({}), {
  log,
  now: () => new Date(),
  transport: localTransport(),
  fetch,
})
setInterval(() => {}, 60_000)
process.stdout.write('ready\n')
const answers = await scheduler.submit(jobs, new AbortController().signal)
process.stdout.write(`${JSON.stringify([...answers].map(([token, answer]) => [token, String(answer)]))}\n`)
