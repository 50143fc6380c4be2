import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { SchedulerError } from '../../src/adapter.js'
import { quote, quoteAll } from '../../src/transport/quote.js'

/** What a real shell makes of the words. */
const throughShell = (words: readonly string[]): string[] =>
  execFileSync('/bin/sh', ['-c', `for w in ${quoteAll(words)}; do printf '%s\\0' "$w"; done`])
    .toString()
    .split('\0')
    .slice(0, -1)

const text = fc
  .string({
    unit: fc.oneof(
      fc.constantFrom("'", '"', '$', '`', '\\', '\n', ';', ' ', '*', '!', '~', '-'),
      fc.string({ unit: 'grapheme', maxLength: 3 }),
    ),
  })
  .filter((t) => !t.includes('\0'))

test('a real shell gives every word back byte for byte', () => {
  fc.assert(
    fc.property(fc.array(text, { minLength: 1, maxLength: 30 }), (words) => {
      expect(throughShell(words)).toEqual(words)
    }),
    { numRuns: 100 },
  )
})

test.each([
  '',
  "'",
  "''",
  '-n',
  '~root',
  'A=b',
  'if',
  '$(id)',
  '`id`',
  'a\nb\n',
  '\u{1f30a} été',
  '*',
  '\\',
  '!!',
  '\r\t',
])('the word %j survives', (word) => {
  expect(throughShell([word])).toEqual([word])
})

test('NUL and lone surrogates are refused, because they cannot be carried', () => {
  expect(() => quote('a\0b')).toThrow(SchedulerError)
  expect(() => quote('a\ud800b')).toThrow(/Unicode/)
  expect(() => quoteAll(['fine', '\0'])).toThrow(expect.objectContaining({ code: 'invalid_job' }))
})
