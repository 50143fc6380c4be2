import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  argumentsCommand,
  classAdText,
  environmentCommand,
  literalName,
  nameProblem,
  variableWords,
} from '../../../adapters/condor/arguments.js'
import { NASTY } from './corpus.js'
import { textOf, wordsOf } from './language.js'

/** Texts in which the characters that mean something are more frequent than chance would have it. */
const texts = fc
  .array(fc.oneof(fc.constantFrom(...`$()'"\\ \n\t;,`, '$$(', '$(DOLLAR)', 'ENV('), fc.string({ unit: 'binary' })))
  .map((parts) => parts.join('').replaceAll(/[\0\r]/g, ''))

describe('arguments', () => {
  test.each(NASTY.map((text) => [text]))('%j arrives as it is', (text) => {
    expect(wordsOf(argumentsCommand([text]))).toEqual([text])
  })
  test('whatever they are, each is one word, in order', () => {
    fc.assert(
      fc.property(fc.array(texts), (args) => {
        expect(wordsOf(argumentsCommand(args))).toEqual(args)
      }),
      { numRuns: 1000 },
    )
  })
  test('are written as people write them wherever that can carry them', () => {
    expect(argumentsCommand(['--basin', 'Blue Nile', "it's", '5"', '$HOME'])).toEqual([
      'arguments',
      `"'--basin' 'Blue Nile' 'it''s' '5""' '$HOME'"`,
    ])
    expect(argumentsCommand([])).toEqual(['arguments', '""'])
  })
})

describe('an environment', () => {
  test('has each value as it is, and the macros of the adapter', () => {
    fc.assert(
      fc.property(texts, texts, (one, two) => {
        const [command, value] = environmentCommand(variableWords({ A: one, B: two }), 'R=x')
        expect(wordsOf([command, value])).toEqual([`A=${one}`, `B=${two}`, 'R=x'])
      }),
    )
  })
})

describe('a text of a ClassAd', () => {
  test('evaluates to itself, without a macro on the way', () => {
    fc.assert(
      fc.property(texts, (text) => {
        expect(textOf(classAdText(text))).toBe(text)
      }),
    )
  })
})

describe('a name of a file', () => {
  test.each([
    ['', 'is empty'],
    [' a', 'white space'],
    ['a\nqueue', 'control character'],
    ['\ud800', 'surrogate'],
    ['a,b', 'comma'],
    ['$$(x)', 'macro'],
    ['$(Dollar)', 'macro'],
    ['a\\', 'backslash'],
  ])('cannot be %j', (name, why) => {
    expect(nameProblem(name)).toContain(why)
  })
  test.each(['a b', 'été', "it's", '"a" \\"b', 'a\\b', '$x', '$(x)', 'a;b', '100%', '-x', '#1'])(
    'can be %j',
    (name) => {
      expect(nameProblem(name)).toBeUndefined()
    },
  )
  test('holds no macro', () => {
    expect([literalName('$(x) $ENV(y) $z'), literalName('a$')]).toEqual(['$(DOLLAR)(x) $(DOLLAR)ENV(y) $z', 'a$'])
  })
})
