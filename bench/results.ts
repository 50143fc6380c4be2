import type { Measured } from './measure.ts'

export type StoreName = 'sqlite' | 'postgres'

/** What is promised of a figure. */
export interface Goal {
  readonly name: string
  readonly what: string
  readonly goal: number
  /** Whether the figure is to be at the most or at the least the goal. */
  readonly is: 'at most' | 'at least'
  /** Of the figure; absent: it is a ratio of ours to the other. */
  readonly unit?: string
  /** Of `ours` and `other`, where it differs. */
  readonly of?: string
}

/** One line of bench/results.json. */
export interface Result extends Measured {
  readonly name: string
  readonly store: StoreName
  readonly goal: string
  readonly holds: boolean
  readonly unit?: string
  readonly date: string
  readonly node: string
  readonly cpus: number
}

/** Three digits say all that is repeatable. */
export const rounded = (value: number): number => (value === 0 ? 0 : Number(value.toPrecision(3)))

export const goalText = ({ goal, is, unit }: Goal): string =>
  `${is === 'at most' ? '≤' : '≥'} ${goal}${unit === undefined ? ' x' : ` ${unit}`}`

export const resultOf = (
  goal: Goal,
  measured: Measured,
  about: Pick<Result, 'store' | 'date' | 'node' | 'cpus'>,
): Result => {
  const ratio = rounded(measured.ratio)
  return {
    name: goal.name,
    store: about.store,
    ratio,
    goal: goalText(goal),
    holds: goal.is === 'at most' ? ratio <= goal.goal : ratio >= goal.goal,
    ...(goal.unit === undefined ? {} : { unit: goal.unit }),
    ours: rounded(measured.ours),
    other: measured.other === null ? null : rounded(measured.other),
    date: about.date,
    node: about.node,
    cpus: about.cpus,
  }
}

/** The results of before with new ones in place of theirs, in the order of the goals. What is no goal any more goes. */
export const merged = (goals: readonly Goal[], before: readonly Result[], now: readonly Result[]): Result[] => {
  const all = [...now, ...before.filter((old) => !now.some((one) => one.name === old.name && one.store === old.store))]
  return goals.flatMap(({ name }) => all.filter((one) => one.name === name).toSorted(byStore))
}

const byStore = (a: Result, b: Result): number => STORES.indexOf(a.store) - STORES.indexOf(b.store)
export const STORES: readonly StoreName[] = ['sqlite', 'postgres']

const figure = (one: Result | undefined): string => {
  if (!one) return '–'
  const text = `${one.ratio}${one.unit === undefined ? ' x' : ` ${one.unit}`}`
  return one.holds ? text : `**${text}**`
}

/** The table of the README: a line for each goal, a column for each store. What misses its goal is bold. */
export const table = (goals: readonly Goal[], results: readonly Result[]): string => {
  const of = (name: string, store: StoreName) => results.find((one) => one.name === name && one.store === store)
  return [
    '| measured | goal | SQLite | PostgreSQL |',
    '|---|---|---|---|',
    ...goals.map((goal) => {
      const cells = STORES.map((store) => figure(of(goal.name, store)))
      return `| ${goal.what} | ${goalText(goal)} | ${cells.join(' | ')} |`
    }),
  ].join('\n')
}

const BEGIN = '<!-- bench: written by npm run bench -->'
const END = '<!-- end of bench -->'

/** The document with the text between its two markers replaced. Throws where it has no such place. */
export const between = (document: string, text: string): string => {
  const begin = document.indexOf(BEGIN)
  const end = document.indexOf(END)
  if (begin < 0 || end < begin) throw new Error(`The document lacks ${BEGIN} … ${END}.`)
  return `${document.slice(0, begin + BEGIN.length)}\n${text}\n${document.slice(end)}`
}
