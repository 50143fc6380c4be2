import { postgres } from './postgres.ts'
import type { StoreName } from './results.ts'
import { sqlite } from './sqlite.ts'
import type { Store } from './store.ts'

const stores: Readonly<Record<StoreName, Store>> = { sqlite, postgres }

/** Throws where there is none of this name. */
export const storeOf = (name: string): Store => {
  const store = Object.hasOwn(stores, name) ? stores[name as StoreName] : undefined
  if (store) return store
  throw new Error(`There is no store ${name}: ${Object.keys(stores).join(', ')}.`)
}
