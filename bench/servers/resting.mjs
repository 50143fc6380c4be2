// A portal at rest, with Telesto or without. In JavaScript: the memory of Node's own TypeScript would be in both sums.
// @ts-check

import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import express from 'express'

const place = JSON.parse(process.argv[2] ?? '{}')
const app = express()
app.get('/bare/:id', (_req, res) => {
  res.json({ success: true })
})
if (place.directory !== undefined) {
  const { createTelesto } = await import('telesto')
  const { local } = await import('telesto/adapters/local')
  const telesto = await createTelesto({ adapters: [local], ...place })
  app.use('/telesto', telesto.router)
}
await once(app.listen(0, '127.0.0.1'), 'listening')

/** In MB, once it has come to rest. */
const rss = async () => {
  for (let turn = 0; turn < 3; turn++) {
    await sleep(300)
    globalThis.gc?.()
  }
  return process.memoryUsage().rss / 1024 / 1024
}

process.on('disconnect', () => process.exit())
process.on('message', async (/** @type {{ ask: number }} */ { ask }) => {
  process.send?.({ answer: ask, value: await rss() })
})
process.send?.({ answer: 0 })
