import { createHash } from 'node:crypto'
import { lstat, realpath } from 'node:fs/promises'
import path from 'node:path'
import { TelestoError } from './errors.js'

/** Folders under this name inside an attempt's directory are Telesto's own, never results. */
export const PRIVATE = '.telesto'

/**
 * One part of a path from any text: never "", ".", "..", a separator or longer than a file system takes. Two texts never
 * give one name, also where the file system folds case or composes letters.
 */
export const pathPart = (text: string): string => {
  if (/^[a-z0-9_-][a-z0-9._@-]{0,99}$/.test(text)) return text
  const readable = text.replace(/[^A-Za-z0-9_-]/g, '_').slice(0, 60)
  return `${readable}~${createHash('sha256').update(text, 'utf16le').digest('hex').slice(0, 16)}`
}

/** Where jobs live on this machine: `<workspace>/<job>/<attempt>`, the workspace being `<root>/<app>/<user>` unless given. */
export const defaultWorkspace = (root: string, app: string, user: string): string =>
  path.join(root, pathPart(app), pathPart(user))
export const jobDirectory = (workspace: string, jobId: number): string => path.join(workspace, String(jobId))
export const attemptDirectory = (workspace: string, jobId: number, attempt: number): string =>
  path.join(jobDirectory(workspace, jobId), String(attempt))

/**
 * An attempt's directory on a host that others use too, below the record's own. Its last part holds something of the attempt's
 * token: no two portals, and no database that was made anew with ids from 1 on, ever share one.
 */
export const targetDirectory = (
  root: string,
  attempt: {
    readonly app: string
    readonly userId: string
    readonly id: number
    readonly attemptNumber: number | null
    readonly token: string
  },
): string => {
  const { app, userId, id, attemptNumber, token } = attempt
  return path.posix.join(root, pathPart(app), pathPart(userId), String(id), `${attemptNumber}-${token.slice(-12)}`)
}

/** `inner` lies inside `outer`, or is it, by their text. */
export const isInside = (outer: string, inner: string): boolean => {
  const relative = path.relative(outer, inner)
  return relative === '' || (!relative.startsWith(`..${path.sep}`) && relative !== '..' && !path.isAbsolute(relative))
}

/**
 * Resolves `relative` inside `directory`, following links. Throws TelestoError `unsafe_path` for what leads out of it, and
 * `not_found` for what is not there; both name `field`.
 */
export const resolveInside = async (directory: string, relative: string, field: string): Promise<string> => {
  const unsafe = new TelestoError(
    'unsafe_path',
    `The path ${JSON.stringify(relative)} leads out of the job's directory.`,
    { field },
  )
  if (relative.includes('\0') || path.isAbsolute(relative)) throw unsafe
  const wanted = path.resolve(directory, relative)
  if (!isInside(directory, wanted)) throw unsafe
  const missing = (cause: unknown): never => {
    throw new TelestoError('not_found', `There is no file ${JSON.stringify(relative)} in the job's directory.`, {
      field,
      cause,
    })
  }
  const base = await realpath(directory).catch(missing)
  const real = await realpath(wanted).catch(missing)
  if (!isInside(base, real)) throw unsafe
  return real
}

/**
 * The real path of the nearest directory that exists at or above `target`, with the rest appended; undefined where a link on
 * the way leads to nothing: what will be there one day, nobody knows.
 */
const realParent = async (target: string): Promise<string | undefined> => {
  const real = await realpath(target).catch(() => undefined)
  if (real !== undefined) return real
  if (await lstat(target).catch(() => undefined)) return undefined
  const parent = await realParent(path.dirname(target))
  return parent === undefined ? undefined : path.join(parent, path.basename(target))
}

/** Checks a workspace that a caller gave. Throws TelestoError `workspace_outside_roots`, naming the roots. */
export const checkWorkspace = async (workspace: string, roots: readonly string[]): Promise<string> => {
  if (path.isAbsolute(workspace) && !workspace.includes('\0')) {
    const real = await realParent(path.resolve(workspace))
    for (const root of real === undefined ? [] : roots) {
      const outer = await realParent(path.resolve(root))
      if (outer !== undefined && isInside(outer, real as string)) return real as string
    }
  }
  throw new TelestoError(
    'workspace_outside_roots',
    `The workspace ${JSON.stringify(workspace)} must be an absolute path inside one of ${roots.join(', ')}. ` +
      'The app names further roots: telesto.app(name, { workspaceRoots }).',
    { field: 'workspace' },
  )
}
