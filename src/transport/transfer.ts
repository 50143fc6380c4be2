/** Fills the buffer from position `at` of the source and answers how much there was: less than the buffer is the end. */
export type ReadAt = (buffer: Buffer, at: number) => Promise<number>
export type WriteAt = (bytes: Buffer, at: number) => Promise<void>

/** How much travels at once, and how many pieces are under way: 2 MiB of memory, whatever the size of the file. */
export const PIECE = 128 * 1024
const AHEAD = 16

/**
 * Copies a source to its end, several pieces at a time, and answers where that was. Of a source that grows meanwhile more may have
 * been copied, after a hole. What fails first is thrown, once no piece is under way any more.
 */
export const transfer = async (readAt: ReadAt, writeAt: WriteAt): Promise<number> => {
  let next = 0
  let ended = false
  let end = Number.POSITIVE_INFINITY
  const piece = async (): Promise<void> => {
    const at = next
    next += PIECE
    const buffer = Buffer.allocUnsafe(PIECE)
    const count = await readAt(buffer, at)
    if (count < PIECE) {
      ended = true
      end = Math.min(end, at + count)
    }
    if (count > 0) await writeAt(buffer.subarray(0, count), at)
  }
  const pieces = async (): Promise<void> => {
    while (!ended) {
      await piece().catch((error: unknown) => {
        ended = true
        throw error
      })
    }
  }
  await piece() // most files are small, and one piece is all of them
  const outcomes = await Promise.allSettled(Array.from({ length: AHEAD }, pieces))
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
  return end
}
