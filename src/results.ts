import { readdir, realpath, stat } from 'node:fs/promises'
import path from 'node:path'
import { PRIVATE, resolveInside } from './directories.js'
import { TelestoError } from './errors.js'

/** A file that a job left in its directory; `path` is relative to it, with slashes. */
export interface ResultFile {
  readonly path: string
  /** Bytes. */
  readonly size: number
  readonly modifiedAt: Date
}

/** So many files are listed at the most. */
const MAX_FILES = 10_000

/** The files in an attempt's directory, by name. Links and Telesto's own files are left out. */
export const listResults = async (directory: string): Promise<readonly ResultFile[]> => {
  const files: ResultFile[] = []
  const walk = async (relative: string): Promise<void> => {
    const entries = await readdir(path.join(directory, relative), { withFileTypes: true }).catch(() => [])
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (files.length >= MAX_FILES) return
      if (entry.name === PRIVATE) continue
      const inner = relative === '' ? entry.name : `${relative}/${entry.name}`
      if (entry.isDirectory()) await walk(inner)
      else if (entry.isFile()) {
        const facts = await stat(path.join(directory, inner)).catch(() => undefined)
        if (facts) files.push({ path: inner, size: facts.size, modifiedAt: facts.mtime })
      }
    }
  }
  await walk('')
  return files
}

/** The absolute path of one result file. Throws TelestoError `unsafe_path` or `not_found`. */
export const resultPath = async (directory: string | null, relative: string): Promise<string> => {
  const none = new TelestoError('not_found', `There is no result ${JSON.stringify(relative)}.`, { field: 'path' })
  if (directory === null) throw none
  const real = await resolveInside(directory, relative, 'path')
  // Where a link leads, not what it is called.
  if (
    path
      .relative(await realpath(directory), real)
      .split(path.sep)
      .includes(PRIVATE)
  )
    throw none
  if (!(await stat(real)).isFile()) throw none
  return real
}
