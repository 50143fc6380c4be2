import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { migrations } from '../../migrations/index.js'
import { filesIn, freshDirectory, look, startChild } from '../store/support.js'

/** Runs the program in `cwd`. */
const telesto = async (cwd: string, ...args: string[]) => {
  const child = startChild(new URL('../../src/cli/telesto.ts', import.meta.url), args, { cwd })
  const lines: string[] = []
  for (let line = await child.line(); line !== undefined; line = await child.line()) lines.push(line)
  return { ...(await child.ended), stdout: lines.join('\n') }
}
const all = migrations.map(({ name }) => name)

test('--help and --version', async () => {
  const cwd = await freshDirectory()
  const help = await telesto(cwd, '--help')
  expect(help).toMatchObject({ code: 0, stderr: '' })
  expect(help.stdout).toContain('telesto migrate [--directory <directory> | --file <path> | --database <url>]')
  expect(await telesto(cwd, 'migrate', '--help')).toMatchObject({ code: 0, stderr: '' })
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  expect(await telesto(cwd, '--version')).toEqual({ code: 0, stdout: version, stderr: '' })
  expect(await filesIn(cwd)).toEqual([])
})

test('migrate makes, leaves, undoes and makes again the database of .telesto', async () => {
  const cwd = await freshDirectory()
  const file = path.join(cwd, '.telesto', 'telesto.db')
  const applied = { code: 0, stderr: '', stdout: `${file}: applied ${all.join(', ')}.` }
  expect(await telesto(cwd, 'migrate')).toEqual(applied)
  expect(await telesto(cwd, 'migrate')).toEqual({ code: 0, stderr: '', stdout: `${file} is up to date.` })
  const undone = await telesto(cwd, 'migrate', '--down', all[0] ?? '')
  expect(undone).toMatchObject({ code: 0, stderr: '' })
  expect(undone.stdout).toBe(
    `${file}: undone ${all.toReversed().join(', ')}. The copy from before: ${file}.before-undoing-${all[0]}`,
  )
  expect((await telesto(cwd, 'migrate', '--down')).stdout).toBe(`${file} has no migration to undo.`)
  expect(await telesto(cwd, 'migrate')).toEqual(applied)
  expect(look(file, 'SELECT name FROM telesto_migrations')).toEqual(all.map((name) => ({ name })))
})

test('migrate takes a directory or a file', async () => {
  const cwd = await freshDirectory()
  expect((await telesto(cwd, 'migrate', '--directory', 'here')).code).toBe(0)
  expect((await telesto(cwd, 'migrate', '--file', 'there/jobs.db')).code).toBe(0)
  expect((await telesto(cwd, 'migrate', '--file=there/jobs.db', `--down=${all.at(-1)}`)).code).toBe(0)
  expect(await filesIn(path.join(cwd, 'here'))).toEqual(['telesto.db'])
  expect(await filesIn(path.join(cwd, 'there'))).toContain('jobs.db')
})

test('what fails is told in one sentence, with exit code 1', async () => {
  const cwd = await freshDirectory()
  const directory = await telesto(cwd, 'migrate', '--file', '.')
  expect(directory).toEqual({
    code: 1,
    stdout: '',
    stderr: `telesto: The database ${cwd} is a directory. Name a file inside it.\n`,
  })
  expect(await telesto(cwd, 'migrate', '--down')).toMatchObject({ code: 1, stdout: '' })
  expect(await filesIn(cwd)).toEqual([])
})

test.for([
  [
    ['nothing'],
    'there is no command "nothing". There is: migrate, schedulers, link, unlink, keys, report. See: telesto --help',
  ],
  [['constructor'], 'there is no command "constructor"'],
  [[], 'a command is missing'],
  [['migrate', '--sideways'], "Unknown option '--sideways'. Usage: telesto migrate"],
  [['migrate', '--file'], "Option '--file <value>' argument missing. Usage: telesto migrate"],
  [['migrate', 'x'], "Unexpected argument 'x'. Usage: telesto migrate"],
  [['migrate', '--down', 'x', 'y'], "Unexpected argument 'y'. Usage: telesto migrate"],
  [
    ['migrate', '--file', 'a', '--directory', 'b'],
    'Give --directory, --file or --database, one of them. Usage: telesto migrate',
  ],
] as const)('called wrongly: %j', async ([args, sentence]) => {
  const cwd = await freshDirectory()
  const { code, stdout, stderr } = await telesto(cwd, ...args)
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr.startsWith(`telesto: ${sentence}`)).toBe(true)
  expect(stderr.trimEnd().split('\n')).toHaveLength(1)
  expect(await filesIn(cwd)).toEqual([])
})
