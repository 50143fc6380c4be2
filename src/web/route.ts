import type { IncomingHttpHeaders } from 'node:http'
import type { z } from 'zod'
import type { User } from '../access.js'
import type { Core } from '../core.js'
import type { TelestoErrorCode } from '../errors.js'
import { check } from '../options.js'
import type { UserView } from '../user-view.js'
import type { Links } from './links.js'
import type { Live } from './live/live.js'
import type { Moments } from './live/shared.js'
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
  /** What requests and streams of the same moment share: taken before anything is read that is told by it. */
  readonly moments: Moments
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

/** A success that is not JSON: its media types, and its headers with what they tell. */
export interface Content {
  readonly types: readonly string[]
  readonly headers?: Readonly<Record<string, string>>
}

/** What Express knows of a request before anything is checked. */
export interface PlainRequest {
  readonly params: Readonly<Record<string, string | string[]>>
  readonly url: string
  readonly headers: IncomingHttpHeaders
}

interface RawInput {
  readonly params: unknown
  readonly query: unknown
}

/** What a row of the table says, whatever its input. */
interface RouteFacts {
  /** What programs call it: the operationId of OpenAPI. It stays when the path changes. */
  readonly name: string
  readonly method: 'get' | 'post'
  /** In a syntax that means the same to Express 4 and 5. */
  readonly path: string
  readonly kind: RouteKind
  readonly summary: string
  readonly who: 'anyone' | 'user' | 'admin'
  /** What the answer's JSON is. */
  readonly output?: z.ZodType
  /** What the answer is instead. */
  readonly content?: Content
  /** Statuses without a body that it answers too, and what they mean. */
  readonly empty?: Readonly<Record<number, string>>
  /** Codes of errors that are its own; the document adds those that every route of its kind can give. */
  readonly errors?: readonly TelestoErrorCode[]
  /** Answers the plainest requests, of which there are many, as the handler would; undefined for all that it must look at. */
  readonly atOnce?: (core: Core, request: PlainRequest) => Answer | undefined
}

interface RouteSpec<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType> extends RouteFacts {
  readonly params: P
  readonly query: Q
  /** Absent: no body is read before the handler runs. */
  readonly body?: B
  /** What the handler itself reads with `context.request.body()`, where it does. */
  readonly lateBody?: z.ZodType
  readonly handler: (
    context: Context,
    input: { readonly params: z.output<P>; readonly query: z.output<Q>; readonly body: z.output<B> },
  ) => Answer | Promise<Answer>
}

/** One row of the route table: what OpenAPI tells, and how it runs. */
export interface Route extends RouteFacts {
  readonly input: { readonly params: z.ZodType; readonly query: z.ZodType; readonly body: z.ZodType | undefined }
  /** Checks the input, then handles it. Throws TelestoError. */
  run(context: Context, raw: RawInput): Promise<Answer>
}

export const defineRoute = <P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType>({
  params,
  query,
  body,
  lateBody,
  handler,
  ...facts
}: RouteSpec<P, Q, B>): Route => ({
  ...facts,
  input: { params, query, body: body ?? lateBody },
  async run(context, raw) {
    const checked = { params: check(params, raw.params), query: check(query, raw.query) }
    const sent = (body === undefined ? undefined : check(body, await context.request.body())) as z.output<B>
    return await handler(context, { ...checked, body: sent })
  },
})
