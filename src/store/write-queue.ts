import { AsyncLocalStorage } from 'node:async_hooks'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Transaction, WriteOptions } from './database.js'

/** One connection that writes, step by step. What a step throws is what the callers of write() are told. */
export interface Writer {
  /** Begins a transaction that holds the write lock. `fleeting`: its commit waits for no disk. */
  begin(fleeting?: boolean): Promise<void>
  commit(): Promise<void>
  /** Undoes the transaction, whatever is left of it. Never rejects. */
  rollBack(): Promise<void>
  /** Sets the savepoint to which rollBackTo() returns, in place of the one before. */
  savepoint(): Promise<void>
  rollBackTo(): Promise<void>
  /** The statements of the transaction; each calls `check` first, which throws where its work has ended. */
  statements(check: () => void): Transaction
  /** What undid the whole transaction behind its back, where something did: a full disk, a lost connection. */
  broken(): unknown
  /** What undid the work that runs, and it alone: PostgreSQL takes no statement after one that failed. */
  undone?(): unknown
}

/** Runs works in transactions, one after the other. */
export interface WriteQueue {
  write<T>(work: (tx: Transaction) => Promise<T>, options?: WriteOptions): Promise<T>
  /** The caller runs inside the work of a write(). */
  isInside(): boolean
  /** Resolves when all works so far have ended. Never rejects. */
  idle(): Promise<void>
}

interface Work {
  readonly alone: boolean
  readonly fleeting: boolean
  readonly run: () => Promise<unknown>
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

/** So many works share one transaction at the most, ... */
const MOST = 64
/** ... and none joins it when it has lasted so long, in milliseconds. */
const LONGEST = 10

/**
 * Group commit: works that wait at the same time share one transaction, and with it one wait for the disk. Each but the first
 * stands under a savepoint, so that one that rejects undoes nothing but itself. Callers are answered when all is committed.
 */
export const createWriteQueue = (writer: Writer, monotonic = () => performance.now()): WriteQueue => {
  const inside = new AsyncLocalStorage<{ open: boolean }>()
  const waiting: Work[] = []
  let turning: Promise<void> | undefined

  /** Runs what waits in the open transaction. Answers what is to be committed; what was refused has been told. */
  const fill = async (done: [Work, unknown][]): Promise<void> => {
    const until = monotonic() + LONGEST
    for (let work = waiting[0]; work !== undefined; work = waiting[0]) {
      if (done.length > 0 && (work.alone || done.length >= MOST || monotonic() > until)) return
      waiting.shift()
      try {
        if (done.length > 0) await writer.savepoint()
        done.push([work, await work.run()])
      } catch (error) {
        work.reject(error)
        if (writer.broken() !== undefined) throw writer.broken()
        if (done.length === 0) return
        await writer.rollBackTo()
      }
      if (work.alone) return
    }
  }

  const transact = async (): Promise<void> => {
    const done: [Work, unknown][] = []
    try {
      await writer.begin(waiting[0]?.fleeting)
    } catch (error) {
      // The others have waited for the same lock, and as long.
      for (const { reject } of waiting.splice(0)) reject(error)
      return
    }
    try {
      await fill(done)
      if (done.length === 0) return await writer.rollBack()
      await writer.commit()
    } catch (error) {
      await writer.rollBack()
      for (const [{ reject }] of done) reject(error)
      return
    }
    for (const [{ resolve }, value] of done) resolve(value)
  }

  const turn = async (): Promise<void> => {
    while (waiting.length > 0) {
      // Requests that came together have their say before the transaction begins.
      await nextTurn()
      await transact()
    }
    turning = undefined
  }

  return {
    write: <T>(work: (tx: Transaction) => Promise<T>, { alone = false, fleeting = false }: WriteOptions = {}) =>
      new Promise<T>((resolve, reject) => {
        const state = { open: true }
        const tx = writer.statements(() => {
          if (!state.open) {
            throw new Error('This transaction has ended: await its statements inside the work of write().')
          }
        })
        const run = async (): Promise<T> => {
          try {
            const value = await inside.run(state, async () => await work(tx))
            const undone = writer.broken() ?? writer.undone?.()
            if (undone !== undefined) throw undone
            return value
          } finally {
            state.open = false
          }
        }
        waiting.push({ alone: alone || fleeting, fleeting, run, resolve: resolve as (value: unknown) => void, reject })
        turning ??= turn()
      }),
    isInside: () => inside.getStore()?.open === true,
    async idle() {
      while (turning !== undefined) await turning
    },
  }
}
