import { createRequire } from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Adapter } from '../adapter.js'
import { failing } from './command.js'

/** What `telesto/adapters/testing` is: no adapter, but the kit that tests them. */
const KIT = 'testing'

/** The names of the adapters that this package exports. */
const builtIn = (): readonly string[] => {
  const { exports } = createRequire(import.meta.url)('telesto/package.json') as { readonly exports: object }
  return Object.keys(exports).flatMap((entry) => {
    const name = /^\.\/adapters\/([a-z][a-z0-9-]*)$/.exec(entry)?.[1]
    return name === undefined || name === KIT ? [] : [name]
  })
}

const isAdapter = (value: unknown): value is Adapter =>
  typeof value === 'object' &&
  value !== null &&
  'type' in value &&
  'connect' in value &&
  typeof value.connect === 'function'

/**
 * The adapter of a type: from the modules that were named on the command line, else from this package, where it is loaded by
 * its name. Throws where there is none.
 */
export const loadAdapter = async (type: string, modules: readonly string[]): Promise<Adapter> => {
  for (const module of modules) {
    const found = adaptersIn(await load(module)).find((adapter) => adapter.type === type)
    if (found) return found
  }
  const known = builtIn()
  if (known.includes(type)) {
    const found = adaptersIn(await import(`../../adapters/${type}.js`)).find((adapter) => adapter.type === type)
    if (found) return found
  }
  const where = [...modules, 'this package'].join(' or ')
  throw failing(
    1,
    `There is no adapter ${JSON.stringify(type)} in ${where}, which has ${known.join(', ')}. ` +
      'One of your own is named by its file: --module ./my-adapter.js',
  )
}

const load = async (module: string): Promise<object> => {
  const file = path.resolve(module)
  try {
    return await import(pathToFileURL(file).href)
  } catch (error) {
    throw failing(1, `The module ${file} cannot be loaded: ${error instanceof Error ? error.message : String(error)}`)
  }
}

const adaptersIn = (module: object): readonly Adapter[] => Object.values(module).filter(isAdapter)
