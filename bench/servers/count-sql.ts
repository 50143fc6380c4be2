import { DatabaseSync, StatementSync } from 'node:sqlite'
import pg from 'pg'

/** Counts what this process asks its database from now on, at the driver. */
export const countSql = (): { statements: number } => {
  const count = { statements: 0 }
  const counted = (of: object, name: string): void => {
    const original = Reflect.get(of, name) as (...args: unknown[]) => unknown
    Reflect.set(of, name, function (this: unknown, ...args: unknown[]) {
      count.statements++
      return original.apply(this, args)
    })
  }
  for (const name of ['all', 'get', 'run', 'iterate']) counted(StatementSync.prototype, name)
  counted(DatabaseSync.prototype, 'exec')
  counted(pg.Client.prototype, 'query')
  return count
}
