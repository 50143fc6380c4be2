import { randomUUID } from 'node:crypto'
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join, posix } from 'node:path'
import { extract } from 'tar-stream'
import { type JobRef, SchedulerError, type Transport } from '../../src/adapter.js'
import { placeOf } from './place.js'
import { type Remote, sectionOf } from './remote.js'
import { OWN_FOLDER } from './submit-description.js'
import { notAsked } from './words.js'

/** A file up to this size comes in an archive with others; a larger one by itself. */
const SMALL_FILE = 1024 * 1024
/** Of one archive, which is held in memory. */
const MAX_ARCHIVE_BYTES = 16 * 1024 * 1024

/** Arguments: the directory. Each regular file below it, but not Telesto's own: `<size> <path>` and a NUL, as sections can have. */
const LIST_SCRIPT = `\
cd -- "$1" || over $?
say files
find . -path ./${OWN_FOLDER} -prune -o -type f -printf '%s %P\\0'
over $?
`

/** An archive of the files whose names, each with a NUL, are on standard input. */
const PACK = ['tar', '-c', '--null', '--no-recursion', '-T', '-', '-f', '-'] as const

interface Remnant {
  readonly path: string
  readonly size: number
}

/**
 * Brings the files of an attempt, each in one step. Symbolic links are not followed: they may lead anywhere. `here`: the directory is
 * on this machine.
 */
export const fetchOn =
  (transport: Transport, remote: Remote, here: boolean) =>
  async (job: JobRef, into: string, signal: AbortSignal): Promise<readonly string[]> => {
    const { workdir } = placeOf(job)
    if (here && posix.resolve(workdir) === posix.resolve(into)) return []
    const told = await remote('files', LIST_SCRIPT, { args: [workdir], signal })
    if (told.code !== 0) throw notAsked(`The files in ${workdir}`, told.stderr)
    const files = remnantsIn(sectionOf(told, 'files'))
    for (const archive of archivesOf(files)) {
      const { code, stdout, stderr } = await transport.exec(PACK, {
        cwd: workdir,
        stdin: archive.map(({ path }) => `./${path}\0`).join(''),
        signal,
      })
      const words = new TextDecoder().decode(stderr)
      // 1: a file changed while it was read, which a job that is over no longer does.
      if (code !== 0 && code !== 1) throw notAsked(`The files in ${workdir}`, words)
      await unpack(stdout, new Set(archive.map(({ path }) => path)), into)
    }
    for (const { path } of files.filter(({ size }) => size > SMALL_FILE)) {
      if (signal.aborted)
        throw new SchedulerError('unavailable', 'The call was aborted while files were being fetched.')
      await put(into, path, async (draft) => await transport.get(posix.join(workdir, path), draft))
    }
    return files.map(({ path }) => join(into, path))
  }

/** Pure. */
export const remnantsIn = (text: string): Remnant[] =>
  text.split('\0').flatMap((line) => {
    const [size = '', path = ''] = splitOnce(line, ' ')
    return !/^\d+$/.test(size) || path === '' || path.split('/').includes('..') ? [] : [{ path, size: Number(size) }]
  })

const splitOnce = (text: string, at: string): readonly [string, string] | [] => {
  const index = text.indexOf(at)
  return index < 0 ? [] : [text.slice(0, index), text.slice(index + 1)]
}

const archivesOf = (files: readonly Remnant[]): Remnant[][] => {
  const archives: Remnant[][] = []
  let bytes = Number.POSITIVE_INFINITY
  for (const file of files) {
    if (file.size > SMALL_FILE) continue
    bytes += file.size + 1024
    if (bytes > MAX_ARCHIVE_BYTES) {
      archives.push([])
      bytes = file.size + 1024
    }
    archives.at(-1)?.push(file)
  }
  return archives
}

/** Takes from the archive what was asked for, and nothing else. */
const unpack = async (bytes: Uint8Array, wanted: ReadonlySet<string>, into: string): Promise<void> => {
  const archive = extract()
  archive.end(bytes)
  for await (const entry of archive) {
    const chunks: Uint8Array[] = []
    for await (const chunk of entry) chunks.push(chunk as Uint8Array)
    const { type, mode } = entry.header
    const name = entry.header.name.replace(/^\.\//, '')
    if (type === 'file' && wanted.has(name))
      await put(into, name, async (draft) => await writeFile(draft, Buffer.concat(chunks), { mode: mode & 0o777 }))
  }
}

const put = async (into: string, path: string, write: (draft: string) => Promise<void>): Promise<void> => {
  const target = join(into, path)
  await mkdir(dirname(target), { recursive: true })
  const draft = join(dirname(target), `.${randomUUID()}.part`)
  try {
    await write(draft)
    await rename(draft, target)
  } catch (error) {
    await rm(draft, { force: true })
    if (error instanceof SchedulerError) throw error
    throw new SchedulerError('unavailable', `${target} cannot be written: ${String(error)}`, { cause: error })
  }
}
