import { type Header, pack } from 'tar-stream'

/** A file for the target, or a symbolic link. `path` is relative to where the archive is unpacked, without a leading slash. */
export type Entry =
  | { readonly path: string; readonly data: string | Uint8Array; readonly mode: number }
  | { readonly path: string; readonly link: string }
  | { readonly path: string; readonly folder: true; readonly mode: number }

const FORMAT = { mtime: new Date(0), uid: 0, gid: 0 }

const headerOf = (entry: Entry): Partial<Header> & Pick<Header, 'name'> => {
  if ('link' in entry) return { ...FORMAT, name: entry.path, type: 'symlink', linkname: entry.link, mode: 0o777 }
  if ('folder' in entry) return { ...FORMAT, name: entry.path, type: 'directory', mode: entry.mode }
  return { ...FORMAT, name: entry.path, mode: entry.mode, type: 'file' }
}

/** One tar archive of all of it, in this order. */
export const archiveOf = async (entries: readonly Entry[]): Promise<Uint8Array> => {
  const archive = pack()
  for (const entry of entries)
    archive.entry(headerOf(entry), 'data' in entry ? Buffer.from(entry.data) : Buffer.alloc(0))
  archive.finalize()
  const chunks: Uint8Array[] = []
  for await (const chunk of archive) chunks.push(chunk as Uint8Array)
  return Buffer.concat(chunks)
}
