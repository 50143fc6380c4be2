import { DatabaseSync, StatementSync } from 'node:sqlite'
import pg from 'pg'

/** Tells of each statement that this process gives its database from now on, at the driver; what `began` answers is called at its end. */
export const watchSql = (began: (sql: string) => () => void): void => {
  const watched = (of: object, name: string, textOf: (self: unknown, first: unknown) => string): void => {
    const original = Reflect.get(of, name) as (...args: unknown[]) => unknown
    Reflect.set(of, name, function (this: unknown, ...args: unknown[]) {
      const ended = began(textOf(this, args[0]))
      const answer = original.apply(this, args)
      if (answer instanceof Promise) return answer.finally(ended)
      ended()
      return answer
    })
  }
  for (const name of ['all', 'get', 'run', 'iterate'])
    watched(StatementSync.prototype, name, (statement) => (statement as StatementSync).sourceSQL)
  watched(DatabaseSync.prototype, 'exec', (_database, sql) => String(sql))
  watched(pg.Client.prototype, 'query', (_client, query) =>
    typeof query === 'string' ? query : String((query as { readonly text?: unknown }).text),
  )
}

/** Counts what this process asks its database from now on. */
export const countSql = (): { statements: number } => {
  const count = { statements: 0 }
  watchSql(() => {
    count.statements++
    return () => {}
  })
  return count
}
