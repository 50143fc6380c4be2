import type { ExecResult } from './transport.js'

/** Bytes of output (stdout and stderr together) after which a command is stopped, where the caller names no limit. */
const DEFAULT_MAX_BYTES = 64 * 1024 * 1024

/** Gathers what a command writes. Over the limit, `tooMuch` is called with words that say so. */
export const gatherOutput = (tooMuch: (words: string) => void, maxBytes = DEFAULT_MAX_BYTES) => {
  let bytes = 0
  const into = (chunks: Uint8Array[]) => (chunk: Uint8Array) => {
    bytes += chunk.byteLength
    if (bytes > maxBytes) tooMuch(`wrote more than ${maxBytes} bytes.`)
    else chunks.push(chunk)
  }
  const [out, err]: [Uint8Array[], Uint8Array[]] = [[], []]
  return {
    stdout: into(out),
    stderr: into(err),
    result: (code: number | null): ExecResult => ({ code, stdout: Buffer.concat(out), stderr: Buffer.concat(err) }),
  }
}
