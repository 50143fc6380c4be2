/**
 * The query of a URL as an object: a repeated name gives an array; `tag.basin=nile`, and `tag[basin]=nile`, which OpenAPI can
 * say, give { tag: { basin: 'nile' } }. The same with every version and setting of Express.
 */
export const parseQuery = (url: string): Readonly<Record<string, unknown>> => {
  const start = url.indexOf('?')
  if (start < 0) return {}
  const flat = new Map<string, string | string[]>()
  const nested = new Map<string, Map<string, string>>()
  for (const [name, value] of new URLSearchParams(url.slice(start + 1))) {
    const [, outer, bracketed, dotted] = /^([^.[]+)(?:\[(.*)\]|\.(.*))$/s.exec(name) ?? []
    if (outer !== undefined) {
      nested.set(outer, (nested.get(outer) ?? new Map()).set(bracketed ?? dotted, value))
      continue
    }
    const before = flat.get(name)
    flat.set(name, before === undefined ? value : [before, value].flat())
  }
  return Object.fromEntries([
    ...flat,
    ...[...nested].map(([name, inner]) => [name, Object.fromEntries(inner)] as const),
  ])
}
