import express, {
  type ErrorRequestHandler,
  type Request,
  type RequestHandler,
  type Response,
  type Router,
} from 'express'
import type { Core } from '../core.js'
import { TelestoError } from '../errors.js'
import { UserView } from '../user-view.js'
import { readBody } from './body.js'
import { refuseCrossSite } from './cross-site.js'
import { errorBody, failureOf } from './errors.js'
import type { Identity } from './identity.js'
import { createLinks, type Links } from './links.js'
import type { Live } from './live/live.js'
import type { Moments } from './live/shared.js'
import { errorPage } from './pages/error.js'
import { parseQuery } from './query-string.js'
import type { Context, Route, RouteKind } from './route.js'
import { send } from './send.js'

/** What all routes of one Telesto share. */
export interface RouterParts {
  readonly core: Core
  readonly identity: Identity
  readonly live: Live
  readonly moments: Moments
  /** Runs before every route of that kind. */
  readonly limits: Partial<Readonly<Record<RouteKind, RequestHandler>>>
}

/** An Express router of these routes. A path of theirs with another method is 405; what is none of them goes on to the host. */
export const createRouter = (parts: RouterParts, routes: readonly Route[]): Router => {
  const router = express.Router()
  for (const route of routes) {
    const limit = parts.limits[route.kind]
    router[route.method](route.path, ...(limit ? [limit] : []), (req, res, next) => {
      const plain = route.atOnce?.(parts.core, req)
      if (plain) void send(req, res, route.kind, plain)
      else answer(parts, route, req, res).catch(next)
    })
  }
  for (const [path, methods] of methodsByPath(routes)) {
    router.all(path, (_req, res, next) => {
      res.setHeader('allow', methods.join(', '))
      next(new TelestoError('method_not_allowed', `Use ${methods.join(' or ')} here.`))
    })
  }
  const failed: ErrorRequestHandler = (error, req, res, next) => {
    if (res.headersSent) return next(error)
    void refuse(parts, kindOf(routes, req.path), error, req, res).catch(next)
  }
  router.use(failed)
  return router
}

/** What no route is for. Mounted at the root of the host, that is the host's to answer. */
export const notFound = (parts: RouterParts): RequestHandler => {
  return (req, res, next) => {
    if (req.baseUrl === '') return next()
    const error = new TelestoError('not_found', 'There is no such page.')
    void refuse(parts, req.path.startsWith('/api/') ? 'api' : 'page', error, req, res).catch(next)
  }
}

const answer = async (parts: RouterParts, route: Route, req: Request, res: Response): Promise<void> => {
  if (route.kind !== 'callback' && req.method !== 'GET' && req.method !== 'HEAD') {
    refuseCrossSite(parts.core.urls, (name) => req.get(name))
  }
  const asks = route.kind === 'api' || route.kind === 'page'
  const viewer = asks ? await parts.identity.of(req) : new UserView(parts.core, undefined)
  const context = contextOf(parts, req, viewer)
  if (route.who === 'admin') void viewer.admin
  else if (route.who === 'user') void viewer.user
  const made = await route.run(context, { params: { ...req.params }, query: parseQuery(req.url) })
  await send(req, res, route.kind, made)
}

const refuse = async (
  parts: RouterParts,
  kind: RouteKind,
  error: unknown,
  req: Request,
  res: Response,
): Promise<void> => {
  const failure = failureOf(error, parts.core.log)
  if (kind !== 'page') return await send(req, res, kind, { status: failure.status, json: errorBody(failure) })
  // Who it is only decorates this page: where the host cannot tell, it is nobody.
  const viewer = await parts.identity.of(req).catch(() => new UserView(parts.core, undefined))
  const html = errorPage(contextOf(parts, req, viewer), failure)
  await send(req, res, kind, { status: failure.status, html })
}

const contextOf = (parts: RouterParts, req: Request, viewer: UserView): Context => {
  let links: Links | undefined
  return {
    core: parts.core,
    viewer,
    user: viewer.isSignedIn ? viewer.user : undefined,
    identify: async () => await parts.identity.again(req),
    // The callback needs none, and a portal answers nothing as often.
    get links() {
      links ??= createLinks(parts.core.urls, req.baseUrl, parts.core.apps)
      return links
    },
    live: parts.live,
    moments: parts.moments,
    request: {
      method: req.method,
      url: req.url,
      header: (name) => req.get(name),
      body: async () => await readBody(req),
    },
  }
}

const methodsByPath = (routes: readonly Route[]): Map<string, string[]> => {
  const methods = new Map<string, string[]>()
  for (const route of routes) {
    const here = methods.get(route.path) ?? []
    here.push(...(route.method === 'get' ? ['GET', 'HEAD'] : ['POST']))
    methods.set(route.path, here)
  }
  return methods
}

/** How an error at this path is told, also where no route ran: all routes of one kind lie below one folder. */
const kindOf = (routes: readonly Route[], path: string): RouteKind => {
  const folder = (of: string): string => of.split('/')[1] ?? ''
  return routes.find((route) => folder(route.path) === folder(path))?.kind ?? 'page'
}
