import type { Transaction, Value } from './database.js'

/** So many rows share one statement. Of many rows the text is always the same, and so prepared once. */
const MOST_ROWS = 1000
/** What both databases take in one statement. */
const MAX_PARAMS = 32_000

/** Multi-row INSERTs, 1,000 rows or fewer in each. With `returning`, these columns of the rows, in no order. */
export const insertRows = async <T extends object = never>(
  tx: Transaction,
  table: string,
  columns: readonly string[],
  rows: readonly (readonly Value[])[],
  returning?: string,
): Promise<T[]> => {
  const answers: T[] = []
  for (let start = 0; start < rows.length; ) {
    const chunk = rows.slice(start, start + Math.min(MOST_ROWS, Math.floor(MAX_PARAMS / columns.length)))
    start += chunk.length
    const sql = insertSql(table, columns, chunk.length)
    if (returning === undefined) await tx.run(sql, chunk.flat())
    else for (const row of await tx.all<T>(`${sql} RETURNING ${returning}`, chunk.flat())) answers.push(row)
  }
  return answers
}

const insertSql = (table: string, columns: readonly string[], rows: number): string => {
  const places = Array.from({ length: rows }, (_, row) => {
    const first = row * columns.length
    return `(${columns.map((_column, index) => `$${first + index + 1}`).join(', ')})`
  })
  return `INSERT INTO ${table} (${columns.join(', ')}) VALUES ${places.join(', ')}`
}
