import { createPrivateKey } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { ParsedKey } from 'ssh2'
import { SchedulerError } from '../adapter.js'
import type { Ssh2 } from './ssh2.js'

/** A key, and the text of the file that it was read from. */
export interface KnownKey {
  readonly text: string
  readonly key: ParsedKey
}

/**
 * The private key in a file: ed25519, ECDSA or RSA, as OpenSSH or PEM (PKCS#1, SEC 1, PKCS#8) write it. Throws SchedulerError
 * `auth`, which names the file and says what is the matter with it, and repeats nothing of it. `known` is answered again while the
 * file is the same: to decrypt a key of OpenSSH takes a third of a second of the processor.
 */
export const readPrivateKey = async (
  { utils }: Ssh2,
  path: string,
  passphrase: string | undefined,
  known: KnownKey | undefined,
): Promise<KnownKey> => {
  const refuse = (what: string): SchedulerError => new SchedulerError('auth', `privateKeyPath: ${path} ${what}`)
  const wrong = () =>
    passphrase === undefined
      ? refuse('is encrypted. Give its passphrase as privateKeyPass.')
      : refuse('cannot be decrypted: privateKeyPass is not its passphrase.')
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw refuse(`cannot be read by the account of this process (${error.code ?? 'unknown'}).`)
  })

  if (known?.text === text) return known
  let readable = text
  if (/-----BEGIN (RSA |EC |ENCRYPTED )?PRIVATE KEY-----/.test(text)) {
    // Node reads all of PEM, ssh2 only a part of it.
    try {
      const key = createPrivateKey({ key: text, ...(passphrase === undefined ? {} : { passphrase }) })
      if (key.asymmetricKeyType === 'rsa') readable = key.export({ type: 'pkcs1', format: 'pem' }).toString()
      else if (key.asymmetricKeyType === 'ec') readable = key.export({ type: 'sec1', format: 'pem' }).toString()
      else
        throw refuse(
          `holds a key of type ${key.asymmetricKeyType} as PEM. Write it anew with: ssh-keygen -p -f ${path}`,
        )
    } catch (error) {
      if (error instanceof SchedulerError) throw error
      throw /ENCRYPTED/.test(text) ? wrong() : refuse('holds no private key that can be read.')
    }
  }
  const parsed = utils.parseKey(readable, passphrase)
  const key = Array.isArray(parsed) ? (parsed[0] as ParsedKey) : parsed
  if (key instanceof Error || key.type === 'ssh-dss') {
    throw key instanceof Error && /passphrase|decrypt|integrity/i.test(key.message)
      ? wrong()
      : refuse('holds no private key of a kind that can be read: ed25519, ECDSA or RSA, as OpenSSH or PEM write it.')
  }
  if (!key.isPrivateKey()) throw refuse('is a public key. Give the file of the private one.')
  return { text, key }
}
