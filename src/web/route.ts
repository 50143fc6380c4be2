import type { z } from 'zod'
import type { User } from '../access.js'
import type { Core } from '../core.js'
import { check } from '../options.js'
import type { UserView } from '../user-view.js'
import type { Links } from './links.js'
import type { Live } from './live/live.js'
import type { Sink } from './live/sink.js'

/** What is known of a request before its handler runs. Handlers get no request and no response. */
export interface Context {
  readonly core: Core
  readonly viewer: UserView
  /** The same person, or undefined for nobody. */
  readonly user: User | undefined
  /** Asks the host again who it is: a stream outlives a session. */
  readonly identify: () => Promise<User | undefined>
  readonly links: Links
  readonly live: Live
  readonly request: {
    readonly method: string
    /** Path and query below the place where the router is mounted. */
    readonly url: string
    header(name: string): string | undefined
    /** The object in the body, at most 64 KiB; read when it is asked for. */
    body(): Promise<object>
  }
}

/** What a handler answers; the router writes it. */
export type Answer = {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
} & (
  | { readonly json: unknown }
  | { readonly html: string }
  | { readonly bytes: Uint8Array; readonly type: string }
  /** The file with this absolute path, streamed. */
  | { readonly file: string; readonly type: string }
  /** See other: a path of this router's own. */
  | { readonly location: string }
  | { readonly stream: (sink: Sink) => Promise<void> }
)

/** api and callback answer errors as JSON, pages as a page. Only a page and the API ask who it is. */
export type RouteKind = 'api' | 'page' | 'callback' | 'asset'

interface RawInput {
  readonly params: unknown
  readonly query: unknown
}

interface RouteSpec<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType> {
  readonly method: 'get' | 'post'
  /** In a syntax that means the same to Express 4 and 5. */
  readonly path: string
  readonly kind: RouteKind
  readonly summary: string
  readonly who: 'anyone' | 'user'
  readonly params: P
  readonly query: Q
  /** Absent: no body is read before the handler runs. */
  readonly body?: B
  /** What the handler itself reads with `context.request.body()`, where it does. */
  readonly lateBody?: z.ZodType
  /** What the answer's JSON is. */
  readonly output?: z.ZodType
  readonly handler: (
    context: Context,
    input: { readonly params: z.output<P>; readonly query: z.output<Q>; readonly body: z.output<B> },
  ) => Answer | Promise<Answer>
}

/** One row of the route table: what OpenAPI tells, and how it runs. */
export interface Route {
  readonly method: 'get' | 'post'
  readonly path: string
  readonly kind: RouteKind
  readonly summary: string
  readonly who: 'anyone' | 'user'
  readonly input: { readonly params: z.ZodType; readonly query: z.ZodType; readonly body: z.ZodType | undefined }
  readonly output: z.ZodType | undefined
  /** Checks the input, then handles it. Throws TelestoError. */
  run(context: Context, raw: RawInput): Promise<Answer>
}

export const defineRoute = <P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType>(
  spec: RouteSpec<P, Q, B>,
): Route => ({
  method: spec.method,
  path: spec.path,
  kind: spec.kind,
  summary: spec.summary,
  who: spec.who,
  input: { params: spec.params, query: spec.query, body: spec.body ?? spec.lateBody },
  output: spec.output,
  async run(context, raw) {
    const params = check(spec.params, raw.params)
    const query = check(spec.query, raw.query)
    const body = (spec.body === undefined ? undefined : check(spec.body, await context.request.body())) as z.output<B>
    return await spec.handler(context, { params, query, body })
  },
})
