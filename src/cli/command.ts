/** One command of the program `telesto`. */
export interface Command {
  /** How it is called, without the program: "migrate [--file <path>]". */
  readonly usage: string
  /** What it does, in one line. */
  readonly summary: string
  /** What its exit codes mean, where it has more of them than 0, 1 and 2. */
  readonly exitCodes?: Readonly<Record<number, string>>
  /** Options that only these arguments tell of, each with what it sets: for --help. */
  options?(args: readonly string[]): Promise<readonly (readonly [option: string, what: string])[]>
  /** Resolves to what is printed, "" for nothing. What `wrongly` makes is answered with the usage. */
  run(args: readonly string[]): Promise<string>
}

/** Commands under one word: "schedulers list". */
export interface Group {
  readonly commands: Readonly<Record<string, Command>>
  /** A command whose name is not fixed. */
  other?(name: string): Command | undefined
}

/** The error of a command that was called wrongly, as parseArgs throws it. */
export const wrongly = (message: string): Error => Object.assign(new Error(message), { code: 'ERR_PARSE_ARGS_TELESTO' })

export const wasCalledWrongly = (error: unknown): error is Error =>
  error instanceof Error && String((error as NodeJS.ErrnoException).code).startsWith('ERR_PARSE_ARGS')

/** The error of a command that ends the program with this exit code. Any other one ends it with 1. */
export const failing = (exitCode: number, message: string): Error => Object.assign(new Error(message), { exitCode })

export const exitCodeOf = (error: unknown): number =>
  error instanceof Error && 'exitCode' in error ? Number(error.exitCode) : 1
