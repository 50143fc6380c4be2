/** Where commands run and files live: this machine, or a host over SSH. It alone quotes; it throws SchedulerError for a failed link. */
export interface Transport {
  /** A command that fails is a result. */
  exec(argv: readonly [string, ...string[]], options?: ExecOptions): Promise<ExecResult>
  /** From the byte `from`, at most `maxBytes`; undefined: there is no such file. */
  read(path: string, from?: number, maxBytes?: number): Promise<Uint8Array | undefined>
  /** Replaces the file in one step. `mode`: its permissions, 0o600. */
  write(path: string, data: string | Uint8Array, mode?: number): Promise<void>
  /** Copies a file of this machine to the target, in one step. */
  put(localPath: string, remotePath: string): Promise<void>
  /** Copies a file of the target to this machine, in one step. */
  get(remotePath: string, localPath: string): Promise<void>
  /** The entries of a directory, by name, with sizes in bytes. */
  list(path: string): Promise<readonly { readonly name: string; readonly size: number; readonly directory: boolean }[]>
  /** With the directories above it; it may be there already. */
  mkdir(path: string): Promise<void>
  /** With all that is in it; it need not be there. */
  remove(path: string): Promise<void>
  /** Ends commands that still run. Idempotent. */
  close(): Promise<void>
}
export interface ExecOptions {
  readonly cwd?: string
  /** Added to the environment that a command has there anyway. */
  readonly env?: Readonly<Record<string, string>>
  readonly stdin?: string | Uint8Array
  /** After so many milliseconds the command is ended, and `unavailable` is thrown. */
  readonly timeoutMs?: number
  /** Of stdout and stderr together; a command that writes more is ended, and `protocol` is thrown. @defaultValue 64 MiB */
  readonly maxBytes?: number
  /** Ends the command when it aborts; `unavailable` is thrown. */
  readonly signal?: AbortSignal
}
export interface ExecResult {
  /** null: a signal ended it. */
  readonly code: number | null
  readonly stdout: Uint8Array
  readonly stderr: Uint8Array
}
