import type { Failure } from '../errors.js'
import { type PageContext, page } from './layout.js'

const TITLES: Readonly<Record<number, string>> = {
  400: 'This request cannot be understood',
  401: 'You are not signed in',
  403: 'You may not do that',
  404: 'Nothing is here',
  405: 'Not this way',
  409: 'Not now',
  429: 'Too many requests',
  503: 'Not just now',
}

const hint = (status: number): string | undefined => {
  if (status === 401) return 'Sign in to this portal, then open this page again.'
  if (status === 404) return 'It may have been deleted, or it is not yours to see.'
  return undefined
}

export const errorPage = (context: PageContext, failure: Failure): string => {
  const title = TITLES[failure.status] ?? 'Something went wrong'
  return page(
    { links: context.links, user: context.user, title },
    <div class="message">
      <p class="number">{failure.status}</p>
      <h1>{title}</h1>
      <p>{failure.message}</p>
      {hint(failure.status) && <p class="quiet">{hint(failure.status)}</p>}
      <p class="quiet">
        <code>{failure.code}</code>
        {failure.field && (
          <>
            {' in '}
            <code>{failure.field}</code>
          </>
        )}
      </p>
      {context.user && (
        <p>
          <a class="button" href={context.links.jobs}>
            To the jobs
          </a>
        </p>
      )}
    </div>,
  )
}
