/** Columns are spelled status_code, and the fields of a row statusCode. */
const fieldOf = (column: string): string => column.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())
export const columnOf = (field: string): string => field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

/** Columns as a SELECT or RETURNING names them, each by its field; `table` is the name that its table has there. */
export const asFields = (columns: readonly string[], table?: string): string =>
  columns.map((name) => `${table === undefined ? '' : `${table}.`}${name} AS "${fieldOf(name)}"`).join(', ')
