import { SchedulerError, type Token } from '../../src/adapter.js'
import type { Method } from './world.ts'

export const OUTAGES = [
  'unavailable', // it cannot be asked
  'auth',
  'protocol',
  'throws', // what no adapter may throw
  'cut', // it did what it was asked, and the answer is lost
  'garbage', // it did, and the answer makes no sense
  'strange', // it did, and one entry of the answer makes no sense
  'stranger', // it also answers about what nobody asked
  'partial', // it did the first half
  'empty', // it mentions nothing and did nothing
  'refused', // it says no, for good
  'uncertain', // it did, and says that it does not know whether it did
  'hang', // the request is still on its way
  'slow', // the answer is still on its way
] as const
export type OutageKind = (typeof OUTAGES)[number]

/** What goes wrong with the next `left` calls of a method, or of all. */
export interface Outage {
  readonly kind: OutageKind
  readonly method: Method | undefined
  left: number
}

type Refs = readonly { readonly token: Token }[]

/** Does what a call asks as far as the outage lets it, and answers as the outage has it. */
export const spoil = async (
  kind: OutageKind | undefined,
  method: Method,
  refs: Refs,
  travelling: (() => void)[],
  effect: (refs: Refs) => Map<Token, unknown>,
): Promise<unknown> => {
  const each = (value: (token: Token) => unknown) => new Map(refs.map(({ token }) => [token, value(token)]))
  const fails = new SchedulerError('unavailable', 'The link was cut.')
  const answerOf = (done: Map<Token, unknown>): unknown => (method === 'fetch' ? [] : done)
  switch (kind) {
    case undefined:
      return answerOf(effect(refs))
    case 'unavailable':
    case 'auth':
    case 'protocol':
      throw new SchedulerError(kind, `The scheduler is ${kind}.`)
    case 'throws':
      throw new TypeError('undefined is not a function')
    case 'cut':
      effect(refs)
      throw fails
    case 'garbage':
      effect(refs)
      return 'slurm_load_jobs error'
    case 'strange': {
      const done = effect(refs)
      return new Map([...done].map(([token, value], index) => [token, index === 0 ? 42 : value]))
    }
    case 'stranger':
      return method === 'fetch' ? [] : new Map([...effect(refs), ['t-nobody', 'native-0']])
    case 'partial':
      return answerOf(effect(refs.slice(0, Math.ceil(refs.length / 2))))
    case 'empty':
      return answerOf(new Map())
    case 'refused':
      if (method === 'status' || method === 'history' || method === 'recover' || method === 'fetch') throw fails
      return each(() => new SchedulerError('rejected', 'No.'))
    case 'uncertain': {
      if (method !== 'submit') throw fails
      effect(refs)
      return each(() => fails)
    }
    case 'hang':
      return await new Promise((resolve) => travelling.push(() => resolve(answerOf(effect(refs)))))
    case 'slow': {
      const done = effect(refs)
      return await new Promise((resolve) => travelling.push(() => resolve(answerOf(done))))
    }
  }
}
