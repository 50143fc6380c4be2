import type { Urls } from '../core.js'
import { TelestoError } from '../errors.js'
import { configuredUrl } from './links.js'

/**
 * Refuses a request that a page of another site made a browser send. What browsers tell of themselves decides: pages cannot
 * set these headers. A client that is no browser sends neither, and brings no cookies of a person either.
 */
export const refuseCrossSite = (urls: Urls, header: (name: string) => string | undefined): void => {
  const origin = header('origin')
  if (origin !== undefined && origin === configuredUrl(urls)?.origin) return
  const site = header('sec-fetch-site')
  if (site === 'same-origin' || site === 'none') return
  if (site === undefined && (origin === undefined || hostOf(origin) === header('host'))) return
  throw new TelestoError('cross_site', 'This request came from a page of another site. Nothing was done.')
}

const hostOf = (origin: string): string | undefined => {
  try {
    return new URL(origin).host
  } catch {
    return undefined
  }
}
