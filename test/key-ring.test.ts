import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { TelestoError } from '../src/errors.js'
import { createKeyRing, keyIdOf, keysInEnvironment, newKey } from '../src/key-ring.js'
import { createReportTokens, reportKeys } from '../src/report-token.js'
import { expectRefusal, temporaryDirectory } from './fixture.js'

const [one, two] = [newKey(), newKey()] as const

test('What one key encrypted, the ring decrypts, wherever that key stands in it', async () => {
  const sealed = createKeyRing([one]).seal('grüße\0"', 'record 7 password', 'config.password')
  for (const keys of [[one], [one, two], [two, one]])
    expect(createKeyRing(keys).open(sealed, 'record 7 password')).toBe('grüße\0"')
  expect(keyIdOf(sealed)).toBe(createKeyRing([one]).ids[0])
  const error = await expectRefusal(() => createKeyRing([two]).open(sealed, 'record 7 password'), 'secret_unreadable')
  expect(error.message).toContain(keyIdOf(sealed))
})

test('The first key encrypts, each time anew', () => {
  const ring = createKeyRing([two, one])
  const [first, second] = [ring.seal('the same', 'here', 'x'), ring.seal('the same', 'here', 'x')]
  expect(first).not.toBe(second)
  expect([keyIdOf(first), keyIdOf(second)]).toEqual([ring.ids[0], ring.ids[0]])
  expect(createKeyRing([two]).open(first, 'here')).toBe('the same')
})

test.each([
  ['for another place', (text: string) => text, 'record 8 password'],
  [
    'with a bit changed',
    (text: string) => `${text.slice(0, -5)}${text.at(-5) === 'A' ? 'B' : 'A'}${text.slice(-4)}`,
    'record 7 password',
  ],
  ['cut short', (text: string) => text.slice(0, -6), 'record 7 password'],
  ['cut to less than its tag', (text: string) => text.slice(0, 25), 'record 7 password'],
  [
    'under the name of another key',
    (text: string) => text.replace(keyIdOf(text), createKeyRing([two]).ids[0] ?? ''),
    'record 7 password',
  ],
  ['of another version', (text: string) => text.replace('v1', 'v2'), 'record 7 password'],
  ['that is none', () => 'hello', 'record 7 password'],
  ['that is empty', () => '', 'record 7 password'],
])('A ciphertext %s opens nowhere', async (_, changed, place) => {
  const ring = createKeyRing([one, two])
  const sealed = ring.seal('canary', 'record 7 password', 'x')
  const error = await expectRefusal(() => ring.open(changed(sealed), place), 'secret_unreadable')
  expect(error.message).not.toContain('canary')
})

test('Without a key nothing is encrypted, and the sentence says how to get one', async () => {
  const error = await expectRefusal(
    () => createKeyRing([]).seal('secret', 'here', 'config.password'),
    'secrets_without_key',
    'config.password',
  )
  expect(error.message).toMatch(/telesto keys generate.*TELESTO_KEYS/)
  expect(error.message).not.toContain('"secret"')
})

test.each([
  ['too short', randomBytes(16).toString('base64url')],
  ['too long', randomBytes(33).toString('base64url')],
  ['a password', 'correct horse battery staple'],
  ['with something else in it', `${newKey().slice(0, 20)}!${newKey().slice(0, 22)}`],
  ['empty', ''],
])('A key that is %s is refused at once, and not shown', async (_, wrong) => {
  const error = await expectRefusal(() => createKeyRing([one, wrong]), 'invalid', 'keys')
  expect(error.message).toContain('Key 2')
  if (wrong !== '') expect(error.message).not.toContain(wrong)
  expect(error.message).not.toContain(one)
})

test('Keys are read with commas or white space between them, in both alphabets of base64', () => {
  const bytes = Buffer.alloc(32, 0xfb)
  const [url, plain] = [bytes.toString('base64url'), bytes.toString('base64')]
  expect(url).not.toBe(plain)
  expect(createKeyRing([plain]).ids).toEqual(createKeyRing([url]).ids)
  expect(keysInEnvironment(` ${one},${two}\n${plain}, `)).toEqual([one, two, plain])
  expect(keysInEnvironment('')).toEqual([])
  expect(createKeyRing([url, plain]).ids).toHaveLength(1)
})

test('Tokens of reports that an older key made still hold, also those of the file from before there was a ring', async () => {
  const directory = await temporaryDirectory()
  const before = createReportTokens(await reportKeys(createKeyRing([]), directory))
  const old = createReportTokens(await reportKeys(createKeyRing([one]), directory))
  const now = createReportTokens(await reportKeys(createKeyRing([two, one]), directory))
  const stranger = createReportTokens(await reportKeys(createKeyRing([newKey()]), await temporaryDirectory()))
  for (const tokens of [before, old, now]) expect(now.attemptOf(tokens.of('t1'))).toBe('t1')
  expect(new Set([before, old, now].map((tokens) => tokens.of('t1'))).size).toBe(3)
  expect(now.attemptOf(now.of('t2'))).toBe('t2')
  expect(now.attemptOf(stranger.of('t1'))).toBeUndefined()
  expect(stranger.attemptOf(before.of('t1'))).toBeUndefined()
})

test('Keys for purposes tell nothing of each other', () => {
  const ring = createKeyRing([one])
  expect(ring.derive('a')).toEqual(createKeyRing([one]).derive('a'))
  expect(ring.derive('a')).not.toEqual(ring.derive('b'))
  expect(() => createKeyRing(['x'])).toThrow(TelestoError)
})
