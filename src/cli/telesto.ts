#!/usr/bin/env node
import { nodeTooOld } from '../node-version.js'
import { version } from '../version.js'
import { type Command, exitCodeOf, wasCalledWrongly } from './command.js'
import { migrate } from './migrate.js'
import { report } from './report.js'

const commands: Readonly<Record<string, Command>> = { migrate, report }

const help = (): string =>
  [
    'Usage: telesto <command> [options]',
    '',
    ...Object.values(commands).flatMap(({ usage, summary }) => [`  telesto ${usage}`, `      ${summary}`, '']),
    '  telesto --help       shows this',
    '  telesto --version    shows the version',
    '',
    'Exit codes: 0 done, 1 failed, 2 called wrongly; further ones are in the --help of a command.',
  ].join('\n')

const helpOf = ({ usage, summary, exitCodes }: Command): string =>
  [
    `Usage: telesto ${usage}`,
    summary,
    ...(exitCodes ? ['Exit codes:'] : []),
    ...Object.entries(exitCodes ?? {}).map(([code, meaning]) => `  ${code}  ${meaning}`),
  ].join('\n')

const main = async (args: readonly string[]): Promise<number> => {
  const say = (text: string) => process.stdout.write(`${text}\n`)
  const complain = (text: string) => process.stderr.write(`telesto: ${text}\n`)
  const tooOld = nodeTooOld(process.versions.node)
  if (tooOld !== undefined) {
    complain(tooOld)
    return 1
  }
  const [name, ...rest] = args
  if (name === '--version' || name === '-v') {
    say(version())
    return 0
  }
  if (name === '--help' || name === '-h' || name === 'help') {
    say(help())
    return 0
  }
  const command = name !== undefined && Object.hasOwn(commands, name) ? commands[name] : undefined
  if (!command) {
    const known = Object.keys(commands).join(', ')
    complain(
      `${name === undefined ? 'a command is missing' : `there is no command ${JSON.stringify(name)}`}. There is: ${known}. See: telesto --help`,
    )
    return 2
  }
  if (rest.includes('--help') || rest.includes('-h')) {
    say(helpOf(command))
    return 0
  }
  try {
    const text = await command.run(rest)
    if (text !== '') say(text)
    return 0
  } catch (error) {
    if (wasCalledWrongly(error)) {
      complain(`${error.message.split('. ')[0]}. Usage: telesto ${command.usage}`)
      return 2
    }
    complain(error instanceof Error ? error.message : String(error))
    return exitCodeOf(error)
  }
}

void main(process.argv.slice(2)).then((code) => {
  process.exitCode = code
})
