/** One command of the program `telesto`. */
export interface Command {
  /** How it is called, without the program: "migrate [--file <path>]". */
  readonly usage: string
  /** What it does, in one line. */
  readonly summary: string
  /** Resolves to what is printed. What `wrongly` makes is answered with the usage. */
  run(args: readonly string[]): Promise<string>
}

/** The error of a command that was called wrongly, as parseArgs throws it. */
export const wrongly = (message: string): Error => Object.assign(new Error(message), { code: 'ERR_PARSE_ARGS_TELESTO' })

export const wasCalledWrongly = (error: unknown): error is Error =>
  error instanceof Error && String((error as NodeJS.ErrnoException).code).startsWith('ERR_PARSE_ARGS')
