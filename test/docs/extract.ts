import { readFileSync } from 'node:fs'

/** A program told by a document: its `ts` blocks in order, and what its `output` blocks say that it prints. */
export interface ToldProgram {
  readonly source: string
  readonly output: string
}

const FENCE = /^```(\w*)\n([\s\S]*?)^```$/gm

export const programOf = (file: URL, firstOnly = false): ToldProgram => {
  const blocks = [...readFileSync(file, 'utf8').matchAll(FENCE)].map(([, language, text]) => ({ language, text }))
  const code = blocks.filter(({ language }) => language === 'ts').map(({ text }) => text)
  const output = blocks.filter(({ language }) => language === 'output').map(({ text }) => text)
  return { source: (firstOnly ? code.slice(0, 1) : code).join('\n'), output: output.join('') }
}
