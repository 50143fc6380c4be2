import { watchSql } from './count-sql.ts'

/** One poll of a record, from taking its lease to the commit of its pace. */
export interface Refresh {
  readonly ms: number
  /** What it asked the database, in order. What the loops look for anyway a few times a second is not in it. */
  readonly statements: readonly string[]
}

/** Watches the polls of this process, at the driver of its database. One record, so that they do not overlap. */
export const watchRefreshes = () => {
  const anyway = new Set<string>()
  let learns = false
  let open: { readonly began: number; readonly statements: string[]; ending: boolean } | undefined
  let last: Refresh | undefined
  let begin = ''
  watchSql((sql) => {
    if (/SET poll_owner = [?$]/.test(sql)) open ??= { began: performance.now(), statements: [begin], ending: false }
    if (/^BEGIN/.test(sql)) begin = sql
    if (!open) {
      if (learns) anyway.add(sql)
      return () => {}
    }
    const refresh = open
    refresh.statements.push(sql)
    if (/SET poll_failures = 0/.test(sql)) refresh.ending = true
    if (!refresh.ending || sql !== 'COMMIT') return () => {}
    open = undefined
    return () => {
      const ms = performance.now() - refresh.began
      const statements = refresh.statements.filter((one) => !anyway.has(one))
      last = { ms, statements }
    }
  })
  return {
    last: () => last,
    /** While it learns, what is asked outside of polls is remembered as no part of them. */
    learn: (whether: boolean) => {
      learns = whether
    },
  }
}

/** Those about jobs. The others are its transactions, the clock, and the record: lease, pace and health. */
export const aboutJobs = (statements: readonly string[]): readonly string[] =>
  statements.filter((sql) => /\btelesto_(?!schedulers\b)\w+/.test(sql))
