// How data become text of HTCondor's submit language without changing a byte.

/** One word of HTCondor's new syntax for arguments and environments, without its outer double quotes. */
const word = (text: string): string => `'${text.replaceAll("'", "''")}'`

/** What condor_submit, or the schedd at the match, would replace: $(x), $ENV(x), $$(x), $$([x]). */
const MACRO = /\$(?=[A-Za-z_]*\(|\$)/

/**
 * A text as a ClassAd expression that evaluates to exactly it, free of macros. The language that condor_submit reads has no escape
 * for a newline or a `$`, and takes a backslash before a closing quote for an escaped quote: such texts are put together
 * from pieces.
 */
export const classAdText = (text: string): string => {
  const pieces = text.split(/(\n)|(?<=\$)/).filter((piece) => piece !== undefined && piece !== '')
  const parts = pieces.map((piece) => {
    if (piece === '\n') return 'formatTime(0,"%n")'
    const quoted = piece.replaceAll('"', '\\"')
    return piece.endsWith('\\') ? `substr("${quoted} ",0,-1)` : `"${quoted}"`
  })
  return parts.length === 0 ? '""' : parts.length === 1 ? (parts[0] as string) : `strcat(${parts.join(',')})`
}

/** Whether the language can carry the words as they are written, without a newline and without a macro. */
const isPlain = (words: string): boolean => !MACRO.test(words) && !words.includes('\n')

/** The new syntax, as a line has it. */
export const inQuotes = (words: string): string => `"${words.replaceAll('"', '""')}"`

/** The command, and its value, that gives the job exactly these arguments. */
export const argumentsCommand = (args: readonly string[]): readonly [string, string] => {
  const words = args.map(word).join(' ')
  return isPlain(words) ? ['arguments', inQuotes(words)] : ['MY.Arguments', classAdText(words)]
}

/** Words of variables, each with exactly this value. */
export const variableWords = (variables: Readonly<Record<string, string>>): string =>
  Object.entries(variables)
    .map(([name, value]) => word(`${name}=${value}`))
    .join(' ')

/** The command, and its value, that gives the job these variables; in the second words HTCondor's macros mean something. */
export const environmentCommand = (words: string, withMacros = ''): readonly [string, string] => {
  if (isPlain(words)) return ['environment', inQuotes([words, withMacros].filter((part) => part !== '').join(' '))]
  const last = withMacros === '' ? '' : `," ${withMacros.replaceAll('"', '\\"')}"`
  return ['MY.Environment', last === '' ? classAdText(words) : `strcat(${classAdText(words)}${last})`]
}

/** A text on a line, in which nothing is a macro. What it cannot carry, UNTOLD finds. */
export const literalName = (name: string): string => name.replaceAll(/\$(?=[A-Za-z_]*\()/g, '$(DOLLAR)')
const UNTOLD = /\$\$[([]|\$\(dollar\)/i

/** A text of a ClassAd as plain as tools show it, to be the end of its line; undefined where the line cannot carry it. */
export const textLine = (text: string): string | undefined =>
  /\p{Cc}/u.test(text) || UNTOLD.test(text) || !text.isWellFormed()
    ? undefined
    : `"${literalName(text).replaceAll('"', '\\"')}"`

/** Why condor_submit could not be told this name of a file; undefined: it can be. */
export const nameProblem = (name: string): string | undefined => {
  if (name.trim() === '' || name !== name.trim()) return 'is empty, or starts or ends with white space'
  if (/\p{Cc}/u.test(name) || !name.isWellFormed()) return 'holds a control character or half of a surrogate pair'
  if (name.includes(',')) return 'holds a comma, which separates names'
  if (UNTOLD.test(name)) return 'holds a macro that condor_submit cannot be told as plain text'
  return name.endsWith('\\') ? 'ends with a backslash' : undefined
}
