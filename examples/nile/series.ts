/** The data file: a header, then one row per year with the year and its flow. */
import { readFile } from 'node:fs/promises'

export type Series = {
  years: number[]
  flows: number[]
}

/** Wrong input of any kind. The message is one sentence that names the argument. */
export class InputError extends Error {}

const FEWEST_ROWS = 20
const MOST_ROWS = 1000
const LARGEST_FLOW = 1e6
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i

export async function readSeries(path: string): Promise<Series> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
    const reason = code === 'ENOENT' ? 'there is no such file' : `it cannot be read (${code})`
    throw new InputError(`--data ${shown(path)}: ${reason}.`)
  }
  return parseSeries(text, path)
}

function parseSeries(text: string, path: string): Series {
  const refuse = (reason: string) => new InputError(`--data ${shown(path)}: ${reason}.`)
  const lines = text
    .replace(/^\uFEFF/, '')
    .trimEnd()
    .split(/\r?\n/)
  const header = lines[0]?.split(',').map((name) => name.trim()) ?? []
  if (header.length !== 2 || header[0] !== 'year') {
    throw refuse('this is not a CSV file whose first line is "year," and the name of the flow')
  }

  const years: number[] = []
  const flows: number[] = []
  for (const [index, line] of lines.entries()) {
    if (index === 0) continue
    const cells = line.split(',').map((cell) => cell.trim())
    const [yearCell = '', flowCell = ''] = cells
    if (cells.length !== 2) throw refuse(`line ${index + 1} should have two columns, but has ${cells.length}`)
    if (!/^\d{1,4}$/.test(yearCell)) throw refuse(`line ${index + 1} has ${shown(yearCell)} where a year should be`)
    const year = Number(yearCell)
    const flow = NUMBER.test(flowCell) ? Number(flowCell) : Number.NaN
    if (!(flow >= 0 && flow <= LARGEST_FLOW)) {
      throw refuse(`line ${index + 1} has ${shown(flowCell)} where a flow from 0 to ${LARGEST_FLOW} should be`)
    }
    const last = years.at(-1)
    // A gap would put the change between two years that are not neighbours, and "the year after" would be wrong.
    if (last !== undefined && year !== last + 1) {
      throw refuse(`line ${index + 1} has the year ${year} where ${last + 1} should follow ${last}`)
    }
    years.push(year)
    flows.push(flow)
  }

  if (flows.length < FEWEST_ROWS || flows.length > MOST_ROWS) {
    throw refuse(`it has ${flows.length} years of data, and the analysis needs ${FEWEST_ROWS} to ${MOST_ROWS}`)
  }
  if (flows.every((flow) => flow === flows[0])) throw refuse('all its flows are equal, so there is no change to find')
  return { years, flows }
}

/** Quoted, short and without control characters: the sentence goes to a log that people read. */
export function shown(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 77)}...` : text)
}
