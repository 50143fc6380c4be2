import { SchedulerError } from '../adapter.js'

/**
 * One word of a POSIX shell command that means exactly `text`: quotes, newlines, `$`, `;` and UTF-8 survive byte for
 * byte. Always in single quotes, so that no word can become a reserved word, an assignment, an alias or a pattern.
 *
 * Throws SchedulerError `invalid_job` for what cannot be carried: a NUL character (no argument can hold one) and a lone
 * surrogate (it has no UTF-8, and would arrive as another character).
 */
export const quote = (text: string): string => {
  if (text.includes('\0')) throw new SchedulerError('invalid_job', 'A command, a path or a value cannot contain NUL.')
  if (!text.isWellFormed())
    throw new SchedulerError('invalid_job', 'A command, a path or a value must be valid Unicode.')
  return `'${text.replaceAll("'", "'\\''")}'`
}

/** A whole command, each word quoted. Throws as `quote` does. */
export const quoteAll = (argv: readonly string[]): string => argv.map(quote).join(' ')

const NEWLINE = 'TELESTO_N'

/**
 * Commands of quoted words, of which none holds a newline outside of its quotes, as one line that means the same. To a shell that
 * begins, IFS is a blank, a tab and a newline.
 */
export const onOneLine = (commands: string): string =>
  commands.includes('\n') ? `${NEWLINE}=\${IFS#??}; ${commands.replaceAll('\n', `'"$${NEWLINE}"'`)}` : commands
