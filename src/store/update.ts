import type { Transaction, Value } from './database.js'

/** What becomes of one row. */
export interface RowUpdate {
  /** Which row, and what it must be like: a whole number for each expression of `match`. The first is its id. */
  readonly key: readonly number[]
  /** Columns, in camelCase, with their values; what is undefined stays. Only names of our own reach it. */
  readonly columns: object
  /** What has no value: `cause = NULL`. */
  readonly sets?: readonly string[]
}

/**
 * Changes rows, each to values of its own: one statement for all of which the same columns change, up to about 1,000. Answers
 * those that matched, in order.
 */
export const updateRows = async <R extends RowUpdate>(
  tx: Transaction,
  table: string,
  match: readonly string[],
  rows: readonly R[],
): Promise<readonly R[]> => {
  const alike = Map.groupBy(rows, ({ columns, sets = [] }) => [...namesOf(columns), ...sets].join())
  const matched = new Set<R>()
  for (const group of alike.values()) for (const row of await updateAlike(tx, table, match, group)) matched.add(row)
  return matched.size === rows.length ? rows : rows.filter((row) => matched.has(row))
}

const updateAlike = async <R extends RowUpdate>(
  tx: Transaction,
  table: string,
  match: readonly string[],
  rows: readonly R[],
): Promise<readonly R[]> => {
  const [first, another] = rows
  if (!first) return rows
  const params: Value[] = []
  const place = (value: Value): string => `$${params.push(value)}`
  // What is the same for all is said once: NULL alone would have no type.
  const names = namesOf(first.columns)
  const differ = names.filter((name) => rows.some((row) => valueIn(row, name) !== valueIn(first, name)))
  const own = new Map(differ.map((name, index) => [name, `v.column${match.length + 1 + index}`]))
  const sets = [
    ...names.map((name) => `${columnOf(name)} = ${own.get(name) ?? place(valueIn(first, name))}`),
    ...(first.sets ?? []),
  ]
  if (sets.length === 0) return rows
  const update = `UPDATE ${table} SET ${sets.join(', ')}`
  // The text for one is always the same, and so prepared once.
  if (!another) {
    const where = match.map((column, index) => `${column} = ${place(first.key[index] as number)}`)
    return (await tx.run(`${update} WHERE ${where.join(' AND ')}`, params)) === 1 ? rows : []
  }
  const literal = (value: Value): string => {
    if (value === null) return 'NULL'
    return typeof value === 'number' ? String(value) : place(value)
  }
  const values = rows.map((row) =>
    [...match.map((_, index) => row.key[index]), ...differ.map((name) => literal(valueIn(row, name)))].join(', '),
  )
  const where = match.map((column, index) => `${column} = v.column${index + 1}`)
  const changed = await tx.all<{ id: number }>(
    `${update} FROM (VALUES (${values.join('), (')})) AS v WHERE ${where.join(' AND ')} RETURNING id`,
    params,
  )
  const ids = new Set(changed.map(({ id }) => id))
  return rows.filter(({ key }) => ids.has(key[0] as number))
}

const namesOf = (columns: object): string[] =>
  Object.entries(columns).flatMap(([name, value]) => (value === undefined ? [] : [name]))
const valueIn = ({ columns }: RowUpdate, name: string): Value => Reflect.get(columns, name) as Value
const columnOf = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
