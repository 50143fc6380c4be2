// Express alone, as bare as it comes: what a handler costs that does the least that the same request needs.

import express from 'express'
import { rateLimit } from 'express-rate-limit'
import { answer, optionsOf } from '../child.ts'
import type { StoreName } from '../results.ts'
import type { Place } from '../store.ts'
import { storeOf } from '../stores.ts'
import { listen } from './listen.ts'

export interface ExpressServerOptions {
  readonly store: StoreName
  readonly place: Place['options']
}

const { store, place } = optionsOf<ExpressServerOptions>()
const app = express()
const limiter = rateLimit({ windowMs: 60_000, limit: 1e9, standardHeaders: 'draft-7', legacyHeaders: false })
app.get('/limited/:id', limiter, (_req, res) => {
  res.json({ success: true })
})
const raw = await storeOf(store).connect(place, 16)
const update = raw.prepare(
  'UPDATE telesto_jobs SET progress = $1, status_message = $2, last_status_update = $3 WHERE id = $4',
)
app.post('/report/:id', express.json(), async (req, res) => {
  const { progress, message } = req.body as { readonly progress: number; readonly message: string }
  await update(progress, message, Date.now(), Number(req.params.id))
  res.json({ success: true })
})
const port = await listen(app)
const answers = { port: () => port }
export type ExpressServer = typeof answers
answer(answers)
