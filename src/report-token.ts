import { createHmac, createSecretKey, type KeyObject, randomBytes, timingSafeEqual } from 'node:crypto'
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { Token } from './adapter.js'
import { TelestoError } from './errors.js'
import type { KeyRing } from './key-ring.js'

/**
 * Signs and checks the right of one attempt to report. Every process with the keys derives the same token, and none is stored:
 * a token names its attempt, so that a wrong one is known without a look at the database.
 */
export interface ReportTokens {
  of(attempt: Token): string
  /** The attempt that was signed; undefined where it was not, by any of the keys. */
  attemptOf(presented: string): Token | undefined
}

/** The first key signs; tokens of the others hold as well. */
export const createReportTokens = ([first, ...others]: readonly [Uint8Array, ...Uint8Array[]]): ReportTokens => {
  const signing = createSecretKey(first)
  const keys = [signing, ...others.map((key) => createSecretKey(key))]
  const signed = (key: KeyObject, attempt: Token): string =>
    `${attempt}.${createHmac('sha256', key).update(`report:${attempt}`).digest('base64url')}`
  return {
    of: (attempt) => signed(signing, attempt),
    attemptOf(presented) {
      const attempt = presented.slice(0, Math.max(presented.lastIndexOf('.'), 0))
      const given = Buffer.from(presented)
      const right = keys.some((key) => {
        const wanted = Buffer.from(signed(key, attempt))
        return wanted.length === given.length && timingSafeEqual(wanted, given)
      })
      return right ? attempt : undefined
    },
  }
}

/**
 * The keys of reports: those of the ring, and after them the one beside the database, where there is one from before there was a
 * ring; without a ring that one alone, which is made.
 */
export const reportKeys = async (keys: KeyRing, directory: string): Promise<[Uint8Array, ...Uint8Array[]]> => {
  const [first, ...older] = keys.derive('report tokens')
  if (!first) return [await loadReportKey(directory)]
  const file = await readReportKey(directory)
  return [first, ...older, ...(file ? [file] : [])]
}

/** A new attempt's token: public, unique for ever, 128 random bits. */
export const newToken = (): Token => `t${randomBytes(16).toString('hex')}`

const fileIn = (directory: string): string => path.join(directory, 'report.key')

/** The key beside the database, if there is one. */
const readReportKey = async (directory: string): Promise<Uint8Array | undefined> => {
  const file = fileIn(directory)
  const key = await readFile(file).catch(() => undefined)
  if (key === undefined || key.length === 32) return key
  throw new TelestoError(
    'invalid',
    `${file} is not a key of 32 bytes. Remove it: running jobs then lose the right to report.`,
    { field: 'directory' },
  )
}

/** The key beside the database: 32 bytes in a 0600 file, made by whichever process comes first. */
const loadReportKey = async (directory: string): Promise<Uint8Array> => {
  const key = await readReportKey(directory)
  if (key) return key
  const file = fileIn(directory)
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const draft = path.join(directory, `report.key.${randomBytes(6).toString('hex')}`)
  await writeFile(draft, randomBytes(32), { mode: 0o600, flag: 'wx', flush: true })
  // link() refuses to replace: of two processes that start together, one key wins and both read it.
  await link(draft, file).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
  })
  await rm(draft, { force: true })
  return await readFile(file)
}
