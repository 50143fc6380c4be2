/** The databases that Telesto keeps its rows in. */
export type DialectName = 'sqlite' | 'postgres'

/** Makes a value a parameter of the statement: "$3". */
type Bind = (value: string) => string

/** What the two say differently. All other SQL of Telesto is the same for both. */
interface Dialect {
  /** The clock of the database, in milliseconds since 1970. */
  readonly clock: string
  /** Of a column of JSON text, the JSON text of the value at a path of names; NULL where there is none. */
  jsonAt(column: string, path: readonly string[], bind: Bind): string
  /** The same to be read: a string's characters, the JSON text of anything else; NULL for null. */
  textAt(column: string, path: readonly string[], bind: Bind): string
  /** Whether a text is LIKE a pattern whose own % and _ stand behind a \, without regard to case for A to Z alone. */
  like(text: string, pattern: string): string
}

const sqlitePath = (path: readonly string[], bind: Bind): string =>
  bind(`$${path.map((name) => `."${name}"`).join('')}`)
/** Names are text also where they look like numbers, so that they find nothing in an array. */
const arrows = (path: readonly string[], bind: Bind): string[] => path.map((name) => `${bind(name)}::text`)

export const dialects: Readonly<Record<DialectName, Dialect>> = {
  sqlite: {
    clock: `CAST(unixepoch('subsec') * 1000 AS INTEGER)`,
    jsonAt: (column, path, bind) => `${column} -> ${sqlitePath(path, bind)}`,
    textAt(column, path, bind) {
      const at = sqlitePath(path, bind)
      // ->> alone would say 1 for true.
      return `CASE json_type(${column}, ${at}) WHEN 'text' THEN ${column} ->> ${at} WHEN 'null' THEN NULL ELSE ${column} -> ${at} END`
    },
    like: (text, pattern) => `${text} LIKE ${pattern} ESCAPE '\\'`,
  },
  postgres: {
    clock: `CAST(FLOOR(EXTRACT(EPOCH FROM clock_timestamp()) * 1000) AS BIGINT)`,
    // Not jsonb, which spells numbers in its own way.
    jsonAt: (column, path, bind) => `(${[`${column}::json`, ...arrows(path, bind)].join(' -> ')})::text`,
    textAt(column, path, bind) {
      const names = arrows(path, bind)
      return `(${[`${column}::json`, ...names.slice(0, -1)].join(' -> ')} ->> ${names.at(-1)})`
    },
    like: (text, pattern) => `${text} COLLATE "C" ILIKE ${pattern} ESCAPE '\\'`,
  },
}

/** The clock of the database as a SQL expression, moved by `offset` milliseconds. */
export const clockSql = (dialect: DialectName, offset: number): string => {
  const { clock } = dialects[dialect]
  if (offset === 0) return clock
  if (!Number.isSafeInteger(offset)) throw new RangeError(`The clock's offset must be whole milliseconds: ${offset}.`)
  return `(${clock} + ${offset})`
}
