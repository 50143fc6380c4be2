/**
 * The query of a URL as an object: a repeated name gives an array, and `tag.basin=nile` gives { tag: { basin: 'nile' } }. The
 * same with every version and setting of Express.
 */
export const parseQuery = (url: string): Readonly<Record<string, unknown>> => {
  const flat = new Map<string, string | string[]>()
  const nested = new Map<string, Map<string, string>>()
  const start = url.indexOf('?')
  for (const [name, value] of new URLSearchParams(start < 0 ? '' : url.slice(start + 1))) {
    const dot = name.indexOf('.')
    if (dot > 0) {
      const outer = name.slice(0, dot)
      nested.set(outer, (nested.get(outer) ?? new Map()).set(name.slice(dot + 1), value))
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
