import type { App, Urls } from '../core.js'
import { assetPath } from './assets.js'

/** The paths of Telesto's own pages, as a browser must ask for them. Never an origin: that is the browser's to know. */
export interface Links {
  /** Where the router is, as the browser sees it; "" at the root. */
  readonly base: string
  readonly jobs: string
  job(id: number): string
  action(id: number, action: string): string
  readonly schedulers: string
  /** The page of a scheduler record, or what is asked of it there. */
  scheduler(id: number, action?: string): string
  api(path: string): string
  events(query: string): string
  asset(name: string): string
  /** The apps of this portal that have a page of their own. */
  readonly apps: readonly { readonly name: string; readonly href: string }[]
  /** The app's own page for the results of one of its jobs, where it has one. */
  results(app: string, id: number): string | undefined
}

/**
 * With a configured `url` its path holds, whatever a proxy in front strips; else the path under which the host mounted the
 * router. The Host header is never looked at.
 */
export const createLinks = (urls: Urls, baseUrl: string, apps: ReadonlyMap<string, App> = new Map()): Links => {
  const configured = configuredUrl(urls)
  const base = (configured ? configured.pathname : baseUrl)
    // A mount path with parameters repeats what the browser sent: "//elsewhere" must not become an address.
    .replace(/[\\/]+/g, '/')
    .replace(/\/$/, '')
  return {
    base,
    jobs: `${base}/jobs`,
    job: (id) => `${base}/jobs/${id}`,
    action: (id, action) => `${base}/jobs/${id}/${action}`,
    schedulers: `${base}/schedulers`,
    scheduler: (id, action) => `${base}/schedulers/${id}${action === undefined ? '' : `/${action}`}`,
    api: (path) => `${base}/api${path}`,
    events: (query) => `${base}/events?${query}`,
    asset: (name) => `${base}${assetPath(name)}`,
    apps: [...apps.values()].flatMap(({ name, url }) => (url === undefined ? [] : [{ name, href: url }])),
    results: (app, id) => apps.get(app)?.resultsUrl?.replaceAll('{id}', String(id)),
  }
}

/** The address that the host configured, or undefined where it configured only a path. */
export const configuredUrl = (urls: Urls): URL | undefined => {
  const page = urls.page('')
  return /^https?:\/\//.test(page) ? new URL(page) : undefined
}
