import type { RequestHandler } from 'express'
import { MemoryStore, rateLimit } from 'express-rate-limit'
import { TelestoError } from '../errors.js'

/** Counts requests by address, and refuses those beyond the limit as `too_many_requests`. */
export interface RateLimit {
  readonly middleware: RequestHandler
  close(): void
}

const MINUTE = 60_000

export const createRateLimit = (perMinute: number): RateLimit => {
  const store = new MemoryStore()
  return {
    middleware: rateLimit({
      windowMs: MINUTE,
      limit: perMinute,
      store,
      standardHeaders: 'draft-7',
      legacyHeaders: false,
      // Whose address a request bears is the host's to say: its setting "trust proxy".
      validate: false,
      handler: (_req, _res, next) => {
        next(
          new TelestoError(
            'too_many_requests',
            `More than ${perMinute} requests in a minute. Wait a little, then retry.`,
          ),
        )
      },
    }),
    close: () => store.shutdown(),
  }
}
