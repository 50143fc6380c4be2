import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

/** Script and style of the pages, each under a name that holds a hash of its content: a browser may keep it for ever. */
export interface Asset {
  readonly name: string
  readonly bytes: Uint8Array
  readonly type: string
}

/** The package's own directory: this file may be src/web/assets.ts or dist/src/web/assets.js below it. */
const packageRoot = (): string => {
  let directory = path.dirname(fileURLToPath(import.meta.url))
  while (!existsSync(path.join(directory, 'package.json'))) {
    const parent = path.dirname(directory)
    if (parent === directory) throw new Error('The directory of the package telesto was not found.')
    directory = parent
  }
  return directory
}

const SCRIPT = 'text/javascript; charset=utf-8'
const require = createRequire(import.meta.url)
const own = (name: string) => () => [path.join(packageRoot(), 'src/web/public', name)]
/** In one script: htmx begins in the next turn of the page, and then its extension must be there. */
const htmx = () => [require.resolve('htmx.org/dist/htmx.min.js'), require.resolve('htmx.org/dist/ext/hx-sse.min.js')]
/** What each asset is made of. The style and the script are no code of Node's, so they are served from `src`, which the package ships. */
const SOURCES: Readonly<Record<string, { readonly files: () => readonly string[]; readonly type: string }>> = {
  'telesto.css': { files: own('telesto.css'), type: 'text/css; charset=utf-8' },
  'telesto.svg': { files: own('telesto.svg'), type: 'image/svg+xml' },
  'telesto.js': { files: own('telesto.js'), type: SCRIPT },
  'htmx.js': { files: htmx, type: SCRIPT },
}

const loaded = new Map<string, Asset>()
const asset = (name: string): Asset => {
  const known = loaded.get(name)
  if (known) return known
  const source = SOURCES[name]
  if (!source) throw new Error(`There is no asset ${name}.`)
  const bytes = Buffer.from(
    source
      .files()
      .map((file) => readFileSync(file, 'utf8'))
      .join('\n;\n'),
  )
  const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 12)
  const dot = name.lastIndexOf('.')
  const found = { name: `${name.slice(0, dot)}.${hash}${name.slice(dot)}`, bytes, type: source.type }
  loaded.set(name, found)
  return found
}

/** Below the router: "/assets/telesto.0123456789ab.css". */
export const assetPath = (name: string): string => `/assets/${asset(name).name}`

/** The asset with this name, hash and all; undefined where there is none, or no longer. */
export const findAsset = (name: string): Asset | undefined =>
  Object.keys(SOURCES)
    .map(asset)
    .find((one) => one.name === name)
