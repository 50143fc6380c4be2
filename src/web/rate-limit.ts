import type { Request, RequestHandler } from 'express'
import { ipKeyGenerator, MemoryStore, rateLimit } from 'express-rate-limit'
import { TelestoError } from '../errors.js'

/** Counts requests by address, and refuses those beyond the limit as `too_many_requests`. */
export interface RateLimit {
  readonly middleware: RequestHandler
  close(): void
}

const MINUTE = 60_000

/** One count for each address; with `by`, for each of its answers within an address. */
export const createRateLimit = (perMinute: number, by: (req: Request) => string = () => ''): RateLimit => {
  const store = new MemoryStore()
  return {
    middleware: rateLimit({
      windowMs: MINUTE,
      limit: perMinute,
      store,
      keyGenerator: (req) => `${ipKeyGenerator(req.ip ?? '')} ${by(req)}`,
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
