import { rm } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { temporaryDirectory } from '../fixture.js'
import { ADAPTERS, installedIn, PASSWORD, VAULT } from './program.js'

// Each test starts the program several times.
vi.setConfig({ testTimeout: 180_000 })

// What is refused changes nothing: so all of them share one database with one record, which is looked at in the end.

let here: Awaited<ReturnType<typeof installedIn>>
let before: unknown
const RECORDS = 'SELECT * FROM telesto_schedulers'
beforeAll(async () => {
  here = await installedIn(await temporaryDirectory())
  const telesto = await here.open()
  await telesto.createScheduler({ name: 'pool', adapter: 'vault' })
  await telesto.close()
  before = here.rows(RECORDS)
})
afterAll(async () => {
  const after = here.rows(RECORDS)
  await rm(here.cwd, { recursive: true, force: true })
  expect(after).toEqual(before)
})

test.each([
  [[...VAULT, 'pool', '--password', PASSWORD], '--password is not taken'],
  [[...VAULT, 'pool', `--password=${PASSWORD}`], '--password is not taken'],
  [[...VAULT, 'pool', '-p', PASSWORD], '-p is not taken'],
  [[...VAULT, 'pool', '--pass-phrase', PASSWORD], '--pass-phrase is not taken'],
  [
    ['schedulers', 'create-condor', '--name', 'pool', '--private-key-pass', PASSWORD],
    '--private-key-pass is not taken',
  ],
  [['schedulers', 'update', 'pool', '--password', PASSWORD], '--password is not taken'],
])('A secret among the arguments is refused, with what to do instead: %j', async (args, sentence) => {
  const { code, stdout, stderr } = await here.telesto(args)
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toContain(
    `telesto: ${sentence}, because everybody on this machine can read the arguments of a program`,
  )
  expect(stderr).toMatch(/-file <path>, the environment variable TELESTO_\w+, or the prompt/)
  expect(stderr).not.toContain(PASSWORD)
})

test.each<[readonly string[], number, string]>([
  [[...VAULT, 'pool'], 1, 'There is a scheduler "pool" already.'],
  [[...VAULT, 'new', '--port', 'x'], 2, '--port must be a number'],
  [[...VAULT, 'new', '--port', '1.5'], 1, 'config.port: '],
  [[...VAULT, 'new', '--careful', 'yes'], 2, '--careful must be true or false'],
  [[...VAULT, 'new', '--shelves', 'a'], 2, '--shelves must be JSON'],
  [[...VAULT, 'new', '--colour', 'red'], 2, "Unknown option '--colour'"],
  [[...VAULT, 'new', '--max-active-jobs', '0'], 1, 'maxActiveJobs: must be a whole number of 1 or more'],
  [[...VAULT, 'new', '--password-file', 'nowhere'], 1, 'The file nowhere cannot be read (ENOENT).'],
  [['schedulers', 'create', '--name', 'new'], 2, 'Give the adapter'],
  [['schedulers', 'create', '--adapter', 'local'], 2, 'Give --name'],
  [['schedulers', 'create', '--name', 'new', '--adapter', 'vault', '--module', 'nowhere.js'], 1, 'The module '],
  [['schedulers', 'update', '--address', 'two'], 2, 'Give the name of the scheduler first'],
  [['schedulers', 'update', 'none', '--module', ADAPTERS], 1, 'There is no scheduler "none".'],
  [
    ['schedulers', 'update', 'pool', '--module', ADAPTERS, '--ask', 'address'],
    2,
    '--ask takes password or passPhrase, not address',
  ],
  [['schedulers', 'update', 'pool', '--module', ADAPTERS, '--ask', 'password'], 2, '--ask needs a terminal'],
  [['schedulers', 'update', 'pool', '--module', ADAPTERS], 2, 'Give what is to be changed'],
  [['schedulers', 'update', 'pool', '--address', 'two'], 1, 'There is no adapter "vault" in this package'],
  [['schedulers', 'test', 'none'], 1, 'There is no scheduler "none".'],
  [['schedulers', 'remove', 'none'], 1, 'There is no scheduler "none".'],
  [['schedulers', 'remove'], 2, 'Give the name of the scheduler first'],
  [['schedulers'], 2, 'a command is missing. There is: list, create, update, test, remove'],
  [['schedulers', 'paint'], 2, 'there is no command "schedulers paint"'],
  [['keys', 'generate', 'x'], 2, "Unexpected argument 'x'"],
  [['link', 'pool'], 2, 'Give the name of a scheduler, and an app and its setting as app:setting'],
  [['unlink', 'flood'], 2, 'Give an app and its setting as app:setting'],
  [['unlink', 'pool', 'flood:compute'], 2, 'Give an app and its setting as app:setting'],
])('%j ends with %i', async (args, code, sentence) => {
  const answer = await here.telesto(args)
  expect(answer).toMatchObject({ code, stdout: '' })
  expect(answer.stderr.startsWith(`telesto: ${sentence}`), answer.stderr).toBe(true)
})
