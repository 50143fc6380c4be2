import type { Request, RequestHandler, Router } from 'express'
import type { User } from '../access.js'
import type { Core } from '../core.js'
import type { EventFeed } from '../event-feed.js'
import { bearerToken, callbackRoutes } from './callback.js'
import { createIdentity } from './identity.js'
import { createLive } from './live/live.js'
import { createMoments } from './live/shared.js'
import { createRateLimit } from './rate-limit.js'
import { createRouter, notFound, type RouterParts } from './router.js'
import { routes } from './routes.js'

export interface WebOptions {
  readonly identify: (req: Request) => User | undefined | Promise<User | undefined>
  readonly feed: EventFeed
  /** Requests in a minute from one address; for reports, from one address by one attempt. */
  readonly rateLimits: { readonly callback: number; readonly api: number }
}

/** What a host mounts. The router needs no middleware before it, neither its own nor a parser of bodies. */
export interface Web {
  /** Puts `req.telesto` on every request. What `identify` throws goes to the host's error handler. */
  readonly middleware: RequestHandler
  readonly router: Router
  readonly callbackRouter: Router
  /** Ends open event streams. */
  close(): void
}

export const createWeb = (core: Core, options: WebOptions): Web => {
  const identity = createIdentity(core, options.identify)
  const moments = createMoments(core.clock, options.feed, core.database)
  const live = createLive(core, options.feed, moments)
  // All jobs of a machine share its address: each attempt that reports has a count of its own. Whoever proves nothing has not: or
  // guesses would have no limit, and the counts no end.
  const callbackLimit = createRateLimit(options.rateLimits.callback, (req) => {
    const token = bearerToken(req.get('authorization'))
    return (token === undefined ? undefined : core.tokens.attemptOf(token)) ?? 'poke'
  })
  const apiLimit = createRateLimit(options.rateLimits.api)
  const limits = { callback: callbackLimit.middleware, api: apiLimit.middleware }
  const parts: RouterParts = { core, identity, live, moments, limits }
  const router = createRouter(parts, routes)
  router.use(notFound(parts))
  return {
    middleware(req, _res, next) {
      identity.of(req).then((view) => {
        req.telesto = view
        next()
      }, next)
    },
    router,
    callbackRouter: createRouter(parts, callbackRoutes),
    close() {
      live.close()
      callbackLimit.close()
      apiLimit.close()
    },
  }
}
