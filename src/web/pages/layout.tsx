import type { ComponentChildren, VNode } from 'preact'
import type { User } from '../../access.js'
import type { Links } from '../links.js'
import { render } from './partial.js'

/** What every page needs of a request. */
export interface PageContext {
  readonly links: Links
  readonly user: User | undefined
}

/** The sections of Telesto, in the order of the navigation. A further page is one more line. */
const SECTIONS: readonly {
  readonly name: string
  readonly label: string
  readonly href: (links: Links) => string
  readonly who: 'user' | 'admin'
}[] = [
  { name: 'jobs', label: 'Jobs', href: (links) => links.jobs, who: 'user' },
  { name: 'schedulers', label: 'Schedulers', href: (links) => links.schedulers, who: 'admin' },
]

interface LayoutProps extends PageContext {
  readonly title: string
  /** The section that the page belongs to. */
  readonly section?: string
  /** What went wrong with the last request, in a sentence. */
  readonly alert?: string | undefined
  /** What was done, in a sentence. */
  readonly done?: string | undefined
  readonly children: ComponentChildren
}

const Layout = ({ links, user, title, section, alert, done, children }: LayoutProps) => (
  <html lang="en">
    <head>
      <meta charSet="utf-8" />
      <meta name="viewport" content="width=device-width, initial-scale=1" />
      <meta name="color-scheme" content="light dark" />
      {/* htmx would add a style of its own, which the policy of these pages forbids. */}
      <meta name="htmx-config" content='{"includeIndicatorCSS":false,"extensions":"sse"}' />
      <title>{`${title} · Telesto`}</title>
      <link rel="icon" type="image/svg+xml" href={links.asset('telesto.svg')} />
      <link rel="stylesheet" href={links.asset('telesto.css')} />
      <script src={links.asset('htmx.js')} defer />
      <script src={links.asset('telesto.js')} defer />
    </head>
    <body>
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <header class="top">
        <a class="brand" href={links.jobs}>
          <img src={links.asset('telesto.svg')} alt="" width="22" height="22" />
          Telesto
        </a>
        {user && (
          <nav aria-label="Sections">
            {SECTIONS.filter(({ who }) => who === 'user' || user.isAdmin === true).map(({ name, label, href }) => (
              <a key={name} href={href(links)} {...(name === section ? { 'aria-current': 'page' as const } : {})}>
                {label}
              </a>
            ))}
            {links.apps.map(({ name, href }) => (
              <a key={`app ${name}`} href={href}>
                {name}
              </a>
            ))}
          </nav>
        )}
        <p class="who">
          {user ? (
            <>
              <span class="quiet">Signed in as </span>
              <strong>{user.name ?? user.id}</strong>
              {user.isAdmin === true && <span class="badge">admin</span>}
            </>
          ) : (
            <span class="quiet">Not signed in</span>
          )}
        </p>
      </header>
      <main id="main">
        <div id="notice" role="status" aria-live="polite">
          {alert !== undefined && <p class="notice error">{alert}</p>}
          {done !== undefined && <p class="notice done">{done}</p>}
        </div>
        {children}
      </main>
    </body>
  </html>
)

/** A whole page. */
export const page = (props: Omit<LayoutProps, 'children'>, content: VNode): string =>
  `<!doctype html>${render(<Layout {...props}>{content}</Layout>)}`
