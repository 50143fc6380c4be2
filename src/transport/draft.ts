import { randomUUID } from 'node:crypto'
import { rename, rm } from 'node:fs/promises'
import { posix } from 'node:path'

/** Lies beside its target, because a rename is atomic only within one file system. */
export const draftOf = (path: string): string => posix.join(posix.dirname(path), `.${randomUUID()}.tmp`)

/** Replaces a file of this machine in one step, or leaves it as it was. */
export const replace = async (path: string, fill: (draft: string) => Promise<void>): Promise<void> => {
  const draft = draftOf(path)
  try {
    await fill(draft)
    await rename(draft, path)
  } catch (error) {
    await rm(draft, { force: true }).catch(() => {})
    throw error
  }
}
