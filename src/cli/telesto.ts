#!/usr/bin/env node
import { nodeTooOld } from '../node-version.js'
import { version } from '../version.js'
import { type Command, exitCodeOf, type Group, wasCalledWrongly } from './command.js'
import { keys } from './keys.js'
import { link, unlink } from './link.js'
import { migrate } from './migrate.js'
import { report } from './report.js'
import { schedulers } from './schedulers.js'

const commands: Readonly<Record<string, Command | Group>> = { migrate, schedulers, link, unlink, keys, report }
const inside = (one: Command | Group): readonly Command[] => ('commands' in one ? Object.values(one.commands) : [one])

const help = (): string =>
  [
    'Usage: telesto <command> [options]',
    '',
    ...Object.values(commands)
      .flatMap(inside)
      .flatMap(({ usage, summary }) => [`  telesto ${usage}`, `      ${summary}`, '']),
    '  telesto --help       shows this',
    '  telesto --version    shows the version',
    '',
    'Exit codes: 0 done, 1 failed, 2 called wrongly; further ones are in the --help of a command.',
  ].join('\n')

type Options = Awaited<ReturnType<NonNullable<Command['options']>>>
const helpOf = ({ usage, summary, exitCodes }: Command, options: Options = []): string =>
  [
    `Usage: telesto ${usage}`,
    summary,
    ...(options.length > 0 ? ['Options:'] : []),
    ...options.map(([option, what]) => `  ${option.padEnd(30)}  ${what}`.trimEnd()),
    ...(exitCodes ? ['Exit codes:'] : []),
    ...Object.entries(exitCodes ?? {}).map(([code, meaning]) => `  ${code}  ${meaning}`),
  ].join('\n')

const among = <T>(known: Readonly<Record<string, T>>, name: string | undefined): T | undefined =>
  name !== undefined && Object.hasOwn(known, name) ? known[name] : undefined
const inGroup = (one: Command | Group): Readonly<Record<string, Command>> => ('commands' in one ? one.commands : {})
const nothingNamed = (name: string | undefined, known: readonly string[]): string =>
  `${name === undefined ? 'a command is missing' : `there is no command ${JSON.stringify(name)}`}. There is: ${known.join(', ')}. See: telesto --help`

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
  const found = among(commands, name)
  if (!found) {
    complain(nothingNamed(name, Object.keys(commands)))
    return 2
  }
  const [second, ...more] = rest
  if ('commands' in found && (second === '--help' || second === '-h')) {
    say(
      inside(found)
        .map((one) => helpOf(one))
        .join('\n\n'),
    )
    return 0
  }
  const command = 'run' in found ? found : (among(found.commands, second) ?? found.other?.(second ?? ''))
  if (!command) {
    complain(nothingNamed(second === undefined ? undefined : `${name} ${second}`, Object.keys(inGroup(found))))
    return 2
  }
  const words = command === found ? rest : more
  try {
    if (words.includes('--help') || words.includes('-h')) {
      say(helpOf(command, await command.options?.(words)))
      return 0
    }
    const text = await command.run(words)
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
