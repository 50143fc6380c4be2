import { access, constants, readdir, realpath, stat } from 'node:fs/promises'
import { isAbsolute, join, sep } from 'node:path'
import { SchedulerError } from '../../src/adapter.js'
import { givenBy } from './given.js'
import { type CondorSpec, MAX_PROCS } from './spec.js'
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

const invalid = (message: string): SchedulerError => new SchedulerError('invalid_job', message)
const isMissing = (error: unknown): boolean =>
  ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')

/** The real path of a file in the first root that has it. A link may not lead out of that root. */
const find = async (name: string, roots: readonly string[]): Promise<string | undefined> => {
  for (const root of roots) {
    const ground = await realpath(root).catch(() => undefined)
    if (ground === undefined) continue
    const inside = (path: string): boolean => path === ground || path.startsWith(ground + sep)
    if (isAbsolute(name) && !inside(name) && !name.startsWith(root + sep)) continue
    const real = await realpath(isAbsolute(name) ? name : join(ground, name)).catch((error: unknown) => {
      if (isMissing(error)) return undefined
      throw invalid(`The input file ${JSON.stringify(name)} cannot be read: ${(error as Error).message}`)
    })
    if (real === undefined) continue
    if (!inside(real)) throw invalid(`The input file ${JSON.stringify(name)} is a link that leads out of ${root}.`)
    return real
  }
  return undefined
}

/** The file, or all files of the folder. */
const listed = async (name: string, from: string, to: string): Promise<InputFile[]> => {
  const found: InputFile[] = []
  const add = async (path: string, target: string): Promise<void> => {
    const { size, mode, ...about } = await stat(path)
    if (!about.isFile())
      throw invalid(`${JSON.stringify(name)} holds ${target}, which is neither a file nor a folder of files.`)
    await access(path, constants.R_OK).catch(() => {
      throw invalid(`The input file ${JSON.stringify(target)} cannot be read by this process: change its permission.`)
    })
    found.push({ from: path, to: target, size, mode: mode & 0o777 })
  }
  const walk = async (folder: string, target: string): Promise<void> => {
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) await walk(path, `${target}/${entry.name}`)
      else if (entry.isSymbolicLink())
        throw invalid(`The folder ${JSON.stringify(name)} holds a link, ${entry.name}: name what it leads to instead.`)
      else await add(path, `${target}/${entry.name}`)
      if (found.length > MAX_PROCS)
        throw invalid(`The folder ${JSON.stringify(name)} holds more than ${MAX_PROCS} files.`)
    }
  }
  if ((await stat(from)).isDirectory()) await walk(from, to)
  else await add(from, to)
  return found
}

/**
 * The files that must be in the attempt's directory before the job is submitted: its executable, its remote input files, and what it
 * transfers from there. Throws SchedulerError `invalid_job`, which names the file that is missing, unreadable, not executable, or
 * leads out of the roots.
 */
export const filesOf = async (spec: CondorSpec, inputRoots: readonly string[]): Promise<readonly InputFile[]> => {
  const all = givenBy(spec)
  const files = new Map<string, InputFile>()
  const take = async (what: string, name: string): Promise<InputFile | undefined> => {
    const to = destinationOf(name)
    if (
      to === '' ||
      to === '.' ||
      to === '..' ||
      to.startsWith('../') ||
      to === '.telesto' ||
      to.startsWith('.telesto/')
    )
      throw invalid(
        `${what}: ${JSON.stringify(name)} must be a path without "..", looked up in ${inputRoots.join(' or ')}.`,
      )
    const from = await find(name, inputRoots)
    if (from === undefined) return undefined
    const list = await listed(name, from, to)
    for (const file of list) {
      const other = files.get(file.to)
      if (other && other.from !== file.from)
        throw invalid(
          `Two input files would be ${file.to} in the job's directory: ${other.from} and ${file.from}. Rename one.`,
        )
      files.set(file.to, file)
    }
    return list.length === 1 && list[0]?.to === to ? list[0] : undefined
  }
  const missing = (what: string, name: string): SchedulerError =>
    invalid(`There is no ${what} ${JSON.stringify(name)} in ${inputRoots.join(' or ')}.`)

  for (const name of spec.remoteInputFiles ?? []) {
    await take('remoteInputFiles', name)
    if (!has(files, destinationOf(name)) && (await find(name, inputRoots)) === undefined)
      throw missing('input file', name)
  }
  const executable = shippedExecutable(all)
  if (executable !== undefined) {
    const file = files.get(destinationOf(executable)) ?? (await take('executable', executable))
    if (!file) {
      const from = await find(executable, inputRoots)
      throw from === undefined
        ? missing('executable', executable)
        : invalid(`The executable ${JSON.stringify(executable)} is a folder: name the program in it.`)
    }
    if ((file.mode & 0o111) === 0)
      throw invalid(`The executable ${JSON.stringify(executable)} is not executable: chmod +x ${file.from}`)
  }
  const named = [...(mayTransfer(all) ? (transferInputs(spec, all) ?? []) : []), standardInput(spec, all)]
  for (const name of named.flatMap((file) => file?.ships ?? [])) {
    if (has(files, destinationOf(name))) continue
    if ((await find(name, inputRoots)) === undefined) throw missing('input file', name)
    await take('transferInputFiles', name)
  }
  return [...files.values()]
}

/** Whether a file is there, or a folder with files. */
const has = (files: ReadonlyMap<string, InputFile>, to: string): boolean =>
  files.has(to) || [...files.keys()].some((key) => key.startsWith(`${to}/`))
