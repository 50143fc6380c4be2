import { TelestoError } from './errors.js'

/** So many of them at once for one record. */
const CHANNELS = 4
/** All who look at one window within this time share one answer. */
const SHARED_MS = 1000

/** Questions to schedulers that people ask by looking: one at a time for each object, shared by all who look. */
export interface Questions {
  ask<T>(recordId: number, key: string, question: () => Promise<T>): Promise<T>
}

export const createQuestions = (monotonic: () => number): Questions => {
  const answers = new Map<string, { readonly answer: Promise<unknown>; readonly until: number }>()
  const busy = new Map<number, number>()
  return {
    async ask<T>(recordId: number, key: string, question: () => Promise<T>): Promise<T> {
      const now = monotonic()
      for (const [old, { until }] of answers) if (until < now) answers.delete(old)
      const known = answers.get(key)
      if (known) return (await known.answer) as T
      const channels = busy.get(recordId) ?? 0
      if (channels >= CHANNELS) {
        throw new TelestoError(
          'scheduler_unavailable',
          'The scheduler is answering other questions. Try again in a moment.',
        )
      }
      busy.set(recordId, channels + 1)
      const answer = question().finally(() => {
        busy.set(recordId, (busy.get(recordId) ?? 1) - 1)
        answers.set(key, { answer, until: monotonic() + SHARED_MS })
      })
      answers.set(key, { answer, until: Number.POSITIVE_INFINITY })
      return await answer
    },
  }
}
