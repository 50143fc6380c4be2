// What HTCondor makes of a line of its submit language, as far as the adapter uses it. The tests on the pool hold this to the truth.
import assert from 'node:assert/strict'

/** What condor_submit, or the schedd at the match, would replace in a line. */
const MACRO = /\$[A-Za-z_]*\(|\$\$/

/** A ClassAd expression of texts, read as condor_submit reads it: only a double quote can be escaped. */
const evaluate = (expression: string): string => {
  let rest = expression
  const eat = (pattern: RegExp): string => {
    const found = pattern.exec(rest)?.[0]
    assert.ok(found !== undefined, `${pattern} is not at ${rest.slice(0, 40)}`)
    rest = rest.slice(found.length)
    return found
  }
  const term = (): string => {
    if (rest.startsWith('"')) {
      const text = eat(/^"(?:\\"|[^"])*"/)
      return text.slice(1, -1).replaceAll('\\"', '"')
    }
    const name = eat(/^[A-Za-z]+\(/)
    const terms: string[] = []
    while (!rest.startsWith(')')) {
      terms.push(rest.startsWith('"') || /^[A-Za-z]/.test(rest) ? term() : eat(/^-?\d+/))
      if (rest.startsWith(',')) eat(/^,/)
    }
    eat(/^\)/)
    if (name === 'strcat(') return terms.join('')
    if (name === 'formatTime(') return (terms[1] as string).replaceAll('%n', '\n')
    assert.equal(name, 'substr(')
    return (terms[0] as string).slice(Number(terms[1]), Number(terms[2]))
  }
  const text = term()
  assert.equal(rest, '')
  return text
}

/** The words of the new syntax. */
const split = (text: string): string[] => {
  const words: string[] = []
  const pattern = /\s*((?:'(?:[^']|'')*'|[^\s'])+)/y
  for (let found = pattern.exec(text); found; found = pattern.exec(text))
    words.push((found[1] as string).replaceAll(/'((?:[^']|'')*)'/g, (_, inner: string) => inner.replaceAll("''", "'")))
  return words
}

/** The words that a job gets by a command, `arguments` or `environment`, or by the attribute of its ClassAd. */
export const wordsOf = ([command, value]: readonly [string, string]): string[] => {
  assert.ok(!/[\n\r\0]/.test(value), 'it is one line')
  assert.ok(!value.trimEnd().endsWith('\\'), 'it does not join the next line')
  assert.doesNotMatch(value, MACRO)
  if (command.startsWith('MY.')) return split(evaluate(value))
  assert.match(value, /^"(?:[^"]|"")*"$/)
  return split(value.slice(1, -1).replaceAll('""', '"'))
}
/** The text that an expression is. */
export const textOf = (expression: string): string => {
  assert.doesNotMatch(expression, MACRO)
  return evaluate(expression)
}
