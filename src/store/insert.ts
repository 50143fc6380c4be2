import type { Transaction, Value } from './database.js'

/** So many rows share one statement. Few sizes: each is another text, which is prepared and remembered. */
const SIZES = [500, 100, 20, 4, 1] as const
/** What both databases take in one statement. */
const MAX_PARAMS = 32_000

/** Multi-row INSERTs, in a bounded number of statements for each 500 rows. With `returning`, that column of each row, in order. */
export const insertRows = async (
  tx: Transaction,
  table: string,
  columns: readonly string[],
  rows: readonly (readonly Value[])[],
  returning?: string,
): Promise<number[]> => {
  const answers: number[] = []
  for (let start = 0; start < rows.length; ) {
    const left = rows.length - start
    const size = SIZES.find((one) => one <= left && one * columns.length <= MAX_PARAMS) ?? 1
    const chunk = rows.slice(start, start + size)
    start += size
    const sql = insertSql(table, columns, size)
    if (returning === undefined) await tx.run(sql, chunk.flat())
    else {
      const returned = await tx.all<Record<string, number>>(`${sql} RETURNING ${returning}`, chunk.flat())
      answers.push(...returned.map((row) => row[returning] as number).sort((a, b) => a - b))
    }
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
