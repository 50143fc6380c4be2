import { readFile } from 'node:fs/promises'
import { failing } from './command.js'
import { secretOption, secretVariable } from './fields.js'

/**
 * The secrets of a record: each from the file that its option names, else from the environment, else, where `ask` says so and a
 * person sits there, from a prompt that does not show it.
 */
export const readSecrets = async (
  secrets: readonly string[],
  values: Readonly<Record<string, unknown>>,
  ask: (secret: string) => boolean,
): Promise<Readonly<Record<string, string>>> => {
  const found: Record<string, string> = {}
  for (const secret of secrets) {
    const file = values[secretOption(secret)]
    const text =
      typeof file === 'string'
        ? await fromFile(file)
        : (process.env[secretVariable(secret)] ?? (ask(secret) ? await prompted(`${secret} (Enter: none): `) : ''))
    if (text !== '') found[secret] = text
  }
  return found
}

/** Without the end of the last line, which editors and echo add. */
const fromFile = async (file: string): Promise<string> => {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw failing(1, `The file ${file} cannot be read (${error.code}).`)
  })
  return text.replace(/\r?\n$/, '')
}

/** Somebody sits at a terminal. */
export const isAttended = (): boolean => process.stdin.isTTY === true && process.stderr.isTTY === true

/** One line from the terminal, of which nothing is shown. */
const prompted = async (question: string): Promise<string> => {
  const { stdin, stderr } = process
  stdin.setRawMode(true) // before the question: nothing is shown of who answers quickly
  stderr.write(question)
  stdin.setEncoding('utf8')
  try {
    let line = ''
    for await (const chunk of stdin.iterator({ destroyOnReturn: false })) {
      for (const key of String(chunk)) {
        if (key === '\r' || key === '\n' || key === '\u0004') return line
        if (key === '\u0003') throw failing(130, 'Interrupted.')
        line = key === '\u007f' || key === '\b' ? [...line].slice(0, -1).join('') : line + key
      }
    }
    return line
  } finally {
    stdin.setRawMode(false)
    stdin.pause()
    stderr.write('\n')
  }
}
