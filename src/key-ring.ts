import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import { TelestoError } from './errors.js'

/** The environment variable that holds the key ring: keys with commas or white space between them. */
export const KEYS_VARIABLE = 'TELESTO_KEYS'

const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16
const VERSION = 'v1'

/** The keys of an installation: the first one encrypts, all of them decrypt. */
export interface KeyRing {
  /** Public names of the keys, the first one's first. Empty: there is none, and no secret can be stored. */
  readonly ids: readonly string[]
  /**
   * Encrypts a text for one place: it opens there and nowhere else. Each call gives another result.
   * Throws `secrets_without_key`, naming `field`.
   */
  seal(text: string, place: string, field: string): string
  /** Throws `secret_unreadable` where its key is not in the ring, or where it was made for another place or changed. */
  open(sealed: string, place: string): string
  /** A key for one purpose, from each key of the ring; who has it learns nothing of the others. */
  derive(purpose: string): readonly Uint8Array[]
}

/** A new key, as it stands in the environment. */
export const newKey = (): string => randomBytes(KEY_BYTES).toString('base64url')

/** The keys in the environment; none where the variable is not set. */
export const keysInEnvironment = (text: string | undefined = process.env[KEYS_VARIABLE]): readonly string[] =>
  (text ?? '').split(/[\s,]+/).filter((key) => key !== '')

/** The name of the key that encrypted it. */
export const keyIdOf = (sealed: string): string => sealed.split(':')[1] ?? ''

/** Throws TelestoError `invalid`, naming the place of a key that is none; never the key itself. */
export const createKeyRing = (texts: readonly string[]): KeyRing => {
  const keys = new Map(texts.map((text, index) => decode(text, index)).map((key) => [idOf(key), key]))
  const [first] = keys
  return {
    ids: [...keys.keys()],
    seal(text, place, field) {
      if (!first) throw withoutKey(field)
      const [id, key] = first
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(aad(id, place))
      const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
      return `${VERSION}:${id}:${Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64url')}`
    },
    open(sealed, place) {
      const [version, id = '', data = '', ...more] = sealed.split(':')
      if (version !== VERSION || more.length > 0) throw unreadable('it is not in a form that this version knows')
      const key = keys.get(id)
      if (!key) throw unreadable(`its key ${id} is not in ${KEYS_VARIABLE}`)
      const bytes = Buffer.from(data, 'base64url')
      const nonce = bytes.subarray(0, NONCE_BYTES)
      const tag = bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES)
      try {
        const cipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
        cipher.setAAD(aad(id, place)).setAuthTag(tag)
        const body = bytes.subarray(NONCE_BYTES + TAG_BYTES)
        return Buffer.concat([cipher.update(body), cipher.final()]).toString('utf8')
      } catch {
        throw unreadable('it was changed, or belongs to another record or field')
      }
    },
    derive: (purpose) => [...keys.values()].map((key) => derive(key, purpose, KEY_BYTES)),
  }
}

const decode = (text: string, index: number): Buffer => {
  const key = Buffer.from(text, 'base64url')
  // Both alphabets, as openssl and this program write it; Buffer leaves out what is no base64 without a word.
  const spelled = text.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')
  if (key.length === KEY_BYTES && key.toString('base64url') === spelled) return key
  throw new TelestoError(
    'invalid',
    `Key ${index + 1} of ${KEYS_VARIABLE} (or of the option keys) is not ${KEY_BYTES} random bytes in base64. ` +
      'Make one with npx telesto keys generate.',
    { field: 'keys' },
  )
}

const derive = (key: Uint8Array, purpose: string, length: number): Uint8Array =>
  new Uint8Array(hkdfSync('sha256', key, '', `telesto: ${purpose}`, length))
const idOf = (key: Uint8Array): string => Buffer.from(derive(key, 'key id', 6)).toString('hex')
const aad = (id: string, place: string): Buffer => Buffer.from(JSON.stringify([VERSION, id, place]))

const withoutKey = (field: string): TelestoError =>
  new TelestoError(
    'secrets_without_key',
    `${field} is a secret, and there is no key to encrypt it with; nothing was stored. Make a key with npx telesto keys generate, ` +
      `and set it as ${KEYS_VARIABLE} in the environment of every process of Telesto, this one too.`,
    { field },
  )
const unreadable = (why: string): TelestoError =>
  new TelestoError('secret_unreadable', `A secret cannot be decrypted: ${why}.`)
