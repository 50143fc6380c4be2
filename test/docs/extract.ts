import { readFileSync } from 'node:fs'

/** A program told by a document: its `ts` blocks in order, and what its `output` blocks say that it prints. */
export interface ToldProgram {
  readonly source: string
  readonly output: string
}

const FENCE = /^```(\w*)\n([\s\S]*?)^```$/gm

/** The blocks of a document in one language, in order. */
export const blocksOf = (file: URL, language: string): readonly string[] =>
  [...readFileSync(file, 'utf8').matchAll(FENCE)]
    .filter(([, own]) => own === language)
    .map(([, , text]) => text as string)

export const programOf = (file: URL, firstOnly = false): ToldProgram => {
  const code = blocksOf(file, 'ts')
  const output = blocksOf(file, 'output')
  return { source: (firstOnly ? code.slice(0, 1) : code).join('\n'), output: output.join('') }
}
