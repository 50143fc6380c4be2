/** HTML that htmx puts in its places; or the order to read the whole page again. */
export type News = { readonly html: string } | { readonly refresh: true }

/** Where a stream is written to. */
export interface Sink {
  write(chunk: string | Uint8Array): void
  /** Bytes that the client has not taken yet. */
  readonly waiting: number
  end(): void
  /** Breaks the connection. */
  drop(): void
  /** Aborts when the connection is over. */
  readonly gone: AbortSignal
}

/**
 * What stands in a message. Unnamed ones hold HTML for htmx; a named one becomes an event of the page. A carriage return ends a line
 * in a stream too: text that a job wrote must not end a message.
 */
export const bodyOf = (news: News): string =>
  'refresh' in news
    ? 'event: refresh\ndata: refresh\n'
    : news.html
        .split(/\r\n|\r|\n/)
        .map((line) => `data: ${line}\n`)
        .join('')

/** One message of an event stream. */
export const message = (id: number, body: string): string => `id: ${id}\n${body}\n`

export const comment = (text: string): string => `: ${text}\n\n`
