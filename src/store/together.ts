import { setImmediate as nextTurn } from 'node:timers/promises'

interface Waiting<I, O> {
  readonly item: I
  readonly resolve: (answer: O) => void
  readonly reject: (error: unknown) => void
}

/**
 * Calls that come together, or while others are under way, are done together: `run` gets up to `most` items, answers each in
 * their order, and runs `lanes` times at once at the most. Where it rejects, all whom it ran for are refused.
 */
export const together = <I, O>(
  { most, lanes }: { readonly most: number; readonly lanes: number },
  run: (items: readonly I[]) => Promise<readonly O[]>,
): ((item: I) => Promise<O>) => {
  const waiting: Waiting<I, O>[] = []
  let busy = 0
  const lane = async (): Promise<void> => {
    busy++
    // Requests that arrived together have their say first.
    await nextTurn()
    while (waiting.length > 0) {
      const some = waiting.splice(0, most)
      try {
        const answers = await run(some.map(({ item }) => item))
        for (const [index, { resolve }] of some.entries()) resolve(answers[index] as O)
      } catch (error) {
        for (const { reject } of some) reject(error)
      }
    }
    busy--
  }
  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject })
      if (busy < lanes) void lane()
    })
}
