import { TelestoError } from '../../errors.js'

/** A page may show so many rows, and hold so many in its stream's address. */
export const MAX_SHOWN = 600

/** Ids as a short text, "7,12-40": which rows a page shows travels in the address of its stream. */
export const writeIds = (ids: readonly number[]): string => {
  const ranges: [number, number][] = []
  for (const id of [...new Set(ids)].sort((a, b) => a - b)) {
    const last = ranges.at(-1)
    if (last && last[1] + 1 === id) last[1] = id
    else ranges.push([id, id])
  }
  return ranges.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(',')
}

/** Its contrary; undefined for a text that is none, or that names more than `max` ids. */
export const readIds = (text: string, max: number): readonly number[] | undefined => {
  const ids: number[] = []
  for (const range of text === '' ? [] : text.split(',')) {
    const [, first, last = first] = /^(\d{1,15})(?:-(\d{1,15}))?$/.exec(range) ?? []
    const [from, to] = [Number(first), Number(last)]
    if (first === undefined || to < from || to - from >= max || ids.length + to - from >= max) return undefined
    for (let id = from; id <= to; id += 1) ids.push(id)
  }
  return ids
}

/** What a stream's address says that its page shows. Throws `invalid`. */
export const shownIds = (text: string): readonly number[] => {
  const ids = readIds(text, MAX_SHOWN)
  if (ids) return ids
  throw new TelestoError('invalid', `ids: must name at most ${MAX_SHOWN} jobs, like 1-20,25.`, { field: 'ids' })
}
