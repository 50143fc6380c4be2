import { createHmac, createSecretKey, randomBytes, timingSafeEqual } from 'node:crypto'
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { Token } from './adapter.js'
import { TelestoError } from './errors.js'

/**
 * Signs and checks the right of one attempt to report. Every process with the key derives the same token, and none is stored:
 * a token names its attempt, so that a wrong one is known without a look at the database.
 */
export interface ReportTokens {
  of(attempt: Token): string
  /** The attempt that was signed; undefined where it was not, by this key. */
  attemptOf(presented: string): Token | undefined
}

export const createReportTokens = (bytes: Uint8Array): ReportTokens => {
  const key = createSecretKey(bytes)
  const of = (attempt: Token): string =>
    `${attempt}.${createHmac('sha256', key).update(`report:${attempt}`).digest('base64url')}`
  return {
    of,
    attemptOf(presented) {
      const attempt = presented.slice(0, Math.max(presented.lastIndexOf('.'), 0))
      const wanted = Buffer.from(of(attempt))
      const given = Buffer.from(presented)
      return wanted.length === given.length && timingSafeEqual(wanted, given) ? attempt : undefined
    },
  }
}

/** A new attempt's token: public, unique for ever, 128 random bits. */
export const newToken = (): Token => `t${randomBytes(16).toString('hex')}`

/** The key beside the database: 32 bytes in a 0600 file, made by whichever process comes first. */
export const loadReportKey = async (directory: string): Promise<Uint8Array> => {
  const file = path.join(directory, 'report.key')
  const key = await readFile(file).catch(() => undefined)
  if (key?.length === 32) return key
  if (key !== undefined) {
    throw new TelestoError(
      'invalid',
      `${file} is not a key of 32 bytes. Remove it: running jobs then lose the right to report.`,
      {
        field: 'directory',
      },
    )
  }
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const draft = path.join(directory, `report.key.${randomBytes(6).toString('hex')}`)
  await writeFile(draft, randomBytes(32), { mode: 0o600, flag: 'wx' })
  // link() refuses to replace: of two processes that start together, one key wins and both read it.
  await link(draft, file).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
  })
  await rm(draft, { force: true })
  return await readFile(file)
}
