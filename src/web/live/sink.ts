/** HTML that htmx puts in its places; or the order to read the whole page again. */
export type News = { readonly html: string } | { readonly refresh: true }

/** Where a stream is written to. */
export interface Sink {
  write(text: string): void
  /** Bytes that the client has not taken yet. */
  readonly waiting: number
  end(): void
  /** Breaks the connection. */
  drop(): void
  /** Aborts when the connection is over. */
  readonly gone: AbortSignal
}

/**
 * One message of an event stream. Unnamed ones hold HTML for htmx; a named one becomes an event of the page. A carriage return
 * ends a line in a stream too: text that a job wrote must not end a message.
 */
export const message = (id: number, news: News): string => {
  if ('refresh' in news) return `id: ${id}\nevent: refresh\ndata: refresh\n\n`
  const lines = news.html.split(/\r\n|\r|\n/).map((line) => `data: ${line}\n`)
  return `id: ${id}\n${lines.join('')}\n`
}

export const comment = (text: string): string => `: ${text}\n\n`
