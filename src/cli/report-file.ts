import { readFile } from 'node:fs/promises'
import { failing } from './command.js'

/** Where a job may report to, and the word that lets it. */
export interface ReportAddress {
  readonly url: string
  readonly token: string
}

/**
 * Reads the file that a portal wrote for one attempt: a configuration of curl, with the address and the header that proves
 * who is speaking. No error shows anything of what is in it.
 */
export const readReportFile = async (file: string | undefined): Promise<ReportAddress> => {
  if (file === undefined || file === '') {
    throw failing(
      1,
      'TELESTO_REPORT is not set: this is no job of Telesto, or its portal has no address to report to (createTelesto({ url })).',
    )
  }
  const config = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw failing(1, `The file that TELESTO_REPORT names cannot be read (${error.code}): ${file}`)
  })
  const url = setting(config, /^url = "(.*)"$/m)
  const token = setting(config, /^header = "Authorization: Bearer (.*)"$/m)
  if (!isAddress(url) || token === undefined || !/^[\w~+/.-]+=*$/.test(token)) {
    throw failing(1, `The file that TELESTO_REPORT names holds no address and token of a portal: ${file}`)
  }
  return { url, token }
}

const ESCAPED: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' }

const setting = (config: string, pattern: RegExp): string | undefined =>
  pattern.exec(config)?.[1]?.replaceAll(/\\(.)/g, (_, letter: string) => ESCAPED[letter] ?? letter)

/** fetch refuses an address with a password, and shows it in its error. */
const isAddress = (url: string | undefined): url is string => {
  const parsed = url === undefined ? null : URL.parse(url)
  return parsed !== null && /^https?:$/.test(parsed.protocol) && parsed.username === '' && parsed.password === ''
}
