import { DEFAULT_PAGE, looseListParams } from '../list.js'

/** The parameters of a list as its page has them in its address, without those that are no parameters of a list. */
export class ListLinks {
  readonly #path: string
  readonly params: URLSearchParams

  /** `search` is the query of an address, from wherever it came: only known names are taken over. */
  constructor(path: string, search: string) {
    this.#path = path
    this.params = new URLSearchParams()
    for (const [name, value] of new URLSearchParams(search)) {
      const known = Object.hasOwn(looseListParams.out.shape, name) || name.startsWith('tag.')
      if (known && value !== '') this.params.append(name, value)
    }
  }
  /** The query alone, in a stable order of names. */
  get search(): string {
    return this.params.toString()
  }
  get self(): string {
    return this.#to(this.params)
  }
  sorted(order: string): string {
    return this.#with({ sort: order, page: undefined, offset: undefined })
  }
  from(offset: number, limit: number): string {
    const page = Math.floor(offset / limit) + 1
    const pageSize = limit === DEFAULT_PAGE ? undefined : String(limit)
    return this.#with({ page: page > 1 ? String(page) : undefined, pageSize, offset: undefined, limit: undefined })
  }
  /** The same list without one filter. */
  without(name: string): string {
    return this.#with({ [name]: undefined, page: undefined, offset: undefined })
  }
  /** The values under which filters narrow the list: not those of order and place. */
  get filters(): readonly (readonly [string, string])[] {
    return [...this.params].filter(([name]) => !['sort', 'page', 'pageSize', 'offset', 'limit'].includes(name))
  }
  #with(changes: Readonly<Record<string, string | undefined>>): string {
    const params = new URLSearchParams(this.params)
    for (const [name, value] of Object.entries(changes)) {
      if (value === undefined) params.delete(name)
      else params.set(name, value)
    }
    return this.#to(params)
  }
  #to(params: URLSearchParams): string {
    const search = params.toString()
    return search === '' ? this.#path : `${this.#path}?${search}`
  }
}
