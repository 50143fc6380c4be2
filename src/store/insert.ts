import type { Transaction, Value } from './database.js'

/** Parameters in one statement. SQLite looks each up by its name, so that many cost their square. */
const MAX_PARAMS = 500

/** Multi-row INSERTs, as few as the limit of parameters allows. With `returning`, that column of each row, in order. */
export const insertRows = async (
  tx: Transaction,
  table: string,
  columns: readonly string[],
  rows: readonly (readonly Value[])[],
  returning?: string,
): Promise<number[]> => {
  const perStatement = Math.floor(MAX_PARAMS / columns.length)
  const answers: number[] = []
  for (let start = 0; start < rows.length; start += perStatement) {
    const chunk = rows.slice(start, start + perStatement)
    let parameter = 0
    const values = chunk.map((row) => `(${row.map(() => `$${++parameter}`).join(', ')})`).join(', ')
    const sql = `INSERT INTO ${table} (${columns.join(', ')}) VALUES ${values}`
    if (returning === undefined) await tx.run(sql, chunk.flat())
    else {
      const returned = await tx.all<Record<string, number>>(`${sql} RETURNING ${returning}`, chunk.flat())
      answers.push(...returned.map((row) => row[returning] as number).sort((a, b) => a - b))
    }
  }
  return answers
}
