import { access, constants, readdir, realpath, stat } from 'node:fs/promises'
import { isAbsolute, join, normalize, sep } from 'node:path'
import { givenBy, invalid } from './given.js'
import type { CondorSpec } from './spec.js'
import { destinationOf, mayTransfer, shippedExecutable, standardInput, transferInputs } from './transfers.js'

/** A file that travels with a job. */
export interface InputFile {
  /** Absolute, on this machine. */
  readonly from: string
  /** Relative to the directory of the attempt. */
  readonly to: string
  readonly size: number
  /** The bits of its permission: 0o644. */
  readonly mode: number
}

/** The most files that travel with one job. */
const MAX_FILES = 10_000

const isMissing = (error: unknown): boolean =>
  ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')

/** The real path of a file in the first root that has it. A link may not lead out of that root. */
const find = async (what: string, name: string, roots: readonly string[]): Promise<string | undefined> => {
  for (const root of roots) {
    const path = isAbsolute(name) ? normalize(name) : join(root, name)
    if (!path.startsWith(join(root, sep))) continue
    const [ground, real] = await Promise.all([root, path].map(async (one) => await realpath(one))).catch((error) => {
      if (isMissing(error)) return []
      throw invalid(`The ${what} ${JSON.stringify(name)} cannot be read: ${(error as Error).message}`)
    })
    if (ground === undefined || real === undefined) continue
    if (!real.startsWith(join(ground, sep)))
      throw invalid(`The ${what} ${JSON.stringify(name)} is a link that leads out of ${root}.`)
    return real
  }
  return undefined
}

/** The file, or all files of the folder. */
const listed = async (what: string, from: string, to: string): Promise<readonly InputFile[]> => {
  const about = await stat(from)
  const problem = (sentence: string) => invalid(`The ${what} ${JSON.stringify(to)} ${sentence}`)
  if (about.isDirectory()) {
    const found: InputFile[] = []
    for (const entry of await readdir(from, { withFileTypes: true })) {
      if (entry.isSymbolicLink()) throw problem(`holds a link, ${entry.name}: name what it leads to instead.`)
      found.push(...(await listed(what, join(from, entry.name), `${to}/${entry.name}`)))
      if (found.length > MAX_FILES) throw problem(`holds more than ${MAX_FILES} files: pack them into one.`)
    }
    return found
  }
  if (!about.isFile()) throw problem('is neither a file nor a folder.')
  await access(from, constants.R_OK).catch(() => {
    throw problem(`cannot be read by this process: chmod +r ${from}`)
  })
  return [{ from, to, size: about.size, mode: about.mode & 0o777 }]
}

/**
 * The files that must be in the attempt's directory before the job is submitted: its executable, its remote input files, and what it
 * transfers from there. Throws SchedulerError `invalid_job`, which names the file that is missing, unreadable, not executable, or
 * leads out of the roots. `madeThere`: what it transfers and is not here is made there before it starts, by another job.
 */
export const filesOf = async (
  spec: CondorSpec,
  inputRoots: readonly string[],
  madeThere = false,
): Promise<readonly InputFile[]> => {
  const all = givenBy(spec)
  const files = new Map<string, InputFile>()
  const taken = new Set<string>()
  const folders = new Set<string>()
  const take = async (what: string, name: string, optional = false): Promise<void> => {
    const to = destinationOf(name)
    if (/^(\.?$|\.\.($|\/)|\.telesto($|\/))/.test(to))
      throw invalid(`The ${what} ${JSON.stringify(name)} must be named by a path without "..", and not in .telesto.`)
    const from = await find(what, name, inputRoots)
    if (from === undefined && optional) return
    if (from === undefined) throw invalid(`There is no ${what} ${JSON.stringify(name)} in ${inputRoots.join(' or ')}.`)
    taken.add(to)
    for (const file of await listed(what, from, to)) {
      const other = files.get(file.to)
      if (other && other.from !== file.from)
        throw invalid(`${other.from} and ${file.from} would both be ${file.to} in the job's directory: rename one.`)
      files.set(file.to, file)
      for (let end = file.to.lastIndexOf('/'); end > 0; end = file.to.lastIndexOf('/', end - 1))
        folders.add(file.to.slice(0, end))
    }
    if (files.size > MAX_FILES)
      throw invalid(`More than ${MAX_FILES} files would travel with the job: pack them into one.`)
  }

  for (const name of spec.remoteInputFiles ?? []) await take('input file', name)
  const executable = shippedExecutable(all)
  if (executable !== undefined) {
    const to = destinationOf(executable)
    if (!files.has(to)) await take('executable', executable)
    const file = files.get(to)
    if (!file) throw invalid(`The executable ${JSON.stringify(executable)} is a folder: name the program in it.`)
    if ((file.mode & 0o111) === 0)
      throw invalid(`The executable ${JSON.stringify(executable)} is not executable: chmod +x ${file.from}`)
  }
  const transferred = mayTransfer(all) ? (transferInputs(spec, all) ?? []) : []
  for (const name of [...transferred, standardInput(spec, all)].flatMap((file) => file?.ships ?? [])) {
    const to = destinationOf(name)
    // A folder of which some files travel anyhow travels as a whole where it is found.
    if (!taken.has(to) && !files.has(to)) await take('input file', name, madeThere || folders.has(to))
  }
  return [...files.values()]
}
