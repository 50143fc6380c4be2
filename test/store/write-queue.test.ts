import { describe, expect, it } from 'vitest'
import type { Transaction } from '../../src/store/database.js'
import { createWriteQueue, type Writer } from '../../src/store/write-queue.js'
import { freshFile, openFor } from './support.js'

/** A writer that tells what it was asked to do. Time stands still, unless it is told otherwise. */
const recorder = (failing: Partial<Record<'begin' | 'commit' | 'savepoint', Error>> = {}, now = () => 0) => {
  const steps: string[] = []
  let broken: unknown
  const step =
    (name: 'begin' | 'begin fleeting' | 'commit' | 'rollBack' | 'savepoint' | 'rollBackTo') =>
    async (): Promise<void> => {
      steps.push(name)
      const error = (failing as Partial<Record<string, Error>>)[name]
      if (error) throw error
    }
  const writer: Writer = {
    begin: async (fleeting) => await step(fleeting ? 'begin fleeting' : 'begin')(),
    commit: step('commit'),
    rollBack: step('rollBack'),
    savepoint: step('savepoint'),
    rollBackTo: step('rollBackTo'),
    broken: () => broken,
    statements: (check): Transaction => ({
      all: async (sql) => {
        check()
        steps.push(sql)
        return []
      },
      run: async (sql) => {
        check()
        steps.push(sql)
        return 0
      },
      now: async () => {
        check()
        steps.push('now')
        return 0
      },
    }),
  }
  const breakWith = (error: unknown): void => {
    broken = error
  }
  return { queue: createWriteQueue(writer, now), steps, breakWith }
}
const say =
  (word: string) =>
  async (tx: Transaction): Promise<string> => {
    await tx.run(word)
    return word
  }
const refuse = async (): Promise<never> => {
  throw new Error('no')
}

describe('group commit', () => {
  it('works that wait together share one transaction, and are answered after its commit', async () => {
    const { queue, steps } = recorder()
    const answers = await Promise.all(['a', 'b', 'c'].map(async (word) => await queue.write(say(word))))
    expect(answers).toEqual(['a', 'b', 'c'])
    expect(steps).toEqual(['begin', 'a', 'savepoint', 'b', 'savepoint', 'c', 'commit'])
  })

  it('a work by itself needs no savepoint', async () => {
    const { queue, steps } = recorder()
    await queue.write(say('a'))
    await queue.write(say('b'))
    expect(steps).toEqual(['begin', 'a', 'commit', 'begin', 'b', 'commit'])
  })

  it('one that rejects undoes nothing but itself', async () => {
    const { queue, steps } = recorder()
    const answers = await Promise.allSettled([queue.write(say('a')), queue.write(refuse), queue.write(say('c'))])
    expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(steps).toEqual(['begin', 'a', 'savepoint', 'rollBackTo', 'savepoint', 'c', 'commit'])
  })

  it('a first one that rejects is undone with its transaction, and the others go on in the next', async () => {
    const { queue, steps } = recorder()
    const answers = await Promise.allSettled([queue.write(refuse), queue.write(say('b'))])
    expect(answers.map(({ status }) => status)).toEqual(['rejected', 'fulfilled'])
    expect(steps).toEqual(['begin', 'rollBack', 'begin', 'b', 'commit'])
  })

  it('what is to be alone shares its transaction with nobody', async () => {
    const { queue, steps } = recorder()
    await Promise.all([queue.write(say('a')), queue.write(say('b'), { alone: true }), queue.write(say('c'))])
    expect(steps).toEqual(['begin', 'a', 'commit', 'begin', 'b', 'commit', 'begin', 'c', 'commit'])
  })

  it('what is fleeting has a transaction of its own, also where it is refused', async () => {
    const { queue, steps } = recorder()
    const fleeting = { fleeting: true }
    await Promise.allSettled([
      queue.write(say('a')),
      queue.write(say('b'), fleeting),
      queue.write(refuse, fleeting),
      queue.write(say('c')),
      queue.write(say('d')),
    ])
    expect(steps).toEqual([
      ...['begin', 'a', 'commit'],
      ...['begin fleeting', 'b', 'commit'],
      ...['begin fleeting', 'rollBack'],
      ...['begin', 'c', 'savepoint', 'd', 'commit'],
    ])
  })

  it('a commit that fails fails all who shared it, and none who comes after', async () => {
    const failing: { commit?: Error } = { commit: new Error('disk full') }
    const { queue, steps } = recorder(failing)
    const together = await Promise.allSettled([queue.write(say('a')), queue.write(say('b'))])
    expect(together).toEqual([
      { status: 'rejected', reason: failing.commit },
      { status: 'rejected', reason: failing.commit },
    ])
    expect(steps.at(-1)).toBe('rollBack')
    delete failing.commit
    expect(await queue.write(say('c'))).toBe('c')
  })

  it('a transaction that was undone behind its back fails all who shared it', async () => {
    const { queue, steps, breakWith } = recorder()
    const lost = new Error('the connection is lost')
    const answers = await Promise.allSettled([
      queue.write(say('a')),
      queue.write(async () => breakWith(lost)),
      queue.write(say('c')),
    ])
    expect(answers.slice(0, 2)).toEqual([
      { status: 'rejected', reason: lost },
      { status: 'rejected', reason: lost },
    ])
    expect(steps.slice(0, 4)).toEqual(['begin', 'a', 'savepoint', 'rollBack'])
  })

  it('a lock that cannot be had is told to all who waited for it', async () => {
    const locked = new Error('locked')
    const { queue } = recorder({ begin: locked })
    const answers = await Promise.allSettled([queue.write(say('a')), queue.write(say('b'))])
    expect(answers.map((answer) => answer.status === 'rejected' && answer.reason)).toEqual([locked, locked])
  })

  it('none joins a transaction that has lasted long', async () => {
    let time = 0
    const { queue, steps } = recorder({}, () => time)
    const slow = async (): Promise<void> => {
      time += 11
    }
    await Promise.all([queue.write(slow), queue.write(say('b'))])
    expect(steps).toEqual(['begin', 'commit', 'begin', 'b', 'commit'])
  })

  it('no more than 64 share one transaction', async () => {
    const { queue, steps } = recorder()
    await Promise.all(Array.from({ length: 130 }, async (_, index) => await queue.write(say(`${index}`))))
    expect(steps.filter((step) => step === 'commit').length).toBe(3)
    expect(steps.filter((step) => /^\d+$/.test(step))).toHaveLength(130)
  })
})

describe('on a database', () => {
  it('of many that share transactions, those that rejected left nothing and the others everything', async () => {
    const database = await openFor(await freshFile())
    const settled = await Promise.allSettled(
      Array.from({ length: 50 }, async (_, index) =>
        database.write(async (tx) => {
          await tx.run(`INSERT INTO telesto_audit (at, action) VALUES ($1, $2)`, [index, `a${index}`])
          await tx.run(`INSERT INTO telesto_audit (at, action) VALUES ($1, $2)`, [index, `b${index}`])
          if (index % 3 === 0) throw new Error('no')
        }),
      ),
    )
    expect(settled.filter(({ status }) => status === 'rejected')).toHaveLength(17)
    const rows = await database.all<{ at: number }>('SELECT at FROM telesto_audit ORDER BY id')
    expect(rows.map(({ at }) => at)).toEqual(
      Array.from({ length: 50 }, (_, index) => index).flatMap((index) => (index % 3 === 0 ? [] : [index, index])),
    )
  })
})
