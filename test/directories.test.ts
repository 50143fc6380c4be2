import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import {
  attemptDirectory,
  defaultWorkspace,
  isInside,
  jobDirectory,
  pathPart,
  resolveInside,
} from '../src/directories.js'
import { listResults, resultPath } from '../src/results.js'
import { expectRefusal } from './fixture.js'

/** A directory with a job's files, and a secret beside it. */
const jobFiles = async () => {
  const root = await realpath(await mkdtemp(path.join(tmpdir(), 'telesto-dirs-')))
  onTestFinished(async () => await rm(root, { recursive: true, force: true }))
  const job = path.join(root, 'job')
  await mkdir(path.join(job, 'sub/.telesto'), { recursive: true })
  await mkdir(path.join(job, '.telesto'))
  await mkdir(path.join(root, 'job-two'))
  await writeFile(path.join(root, 'secret'), 'secret')
  await writeFile(path.join(root, 'job-two/secret'), 'secret')
  await writeFile(path.join(job, 'result.json'), '{}')
  await writeFile(path.join(job, '..dots..'), 'dots')
  await writeFile(path.join(job, 'sub/ä \n$x;`y`'), 'odd')
  await writeFile(path.join(job, '.telesto/report'), 'token')
  await writeFile(path.join(job, 'sub/.telesto/report'), 'token')
  await symlink(path.join(root, 'secret'), path.join(job, 'out'))
  await symlink('..', path.join(job, 'up'))
  await symlink('../job-two', path.join(job, 'sibling'))
  await symlink('result.json', path.join(job, 'inner'))
  await symlink('.telesto/report', path.join(job, 'report'))
  await symlink('loop', path.join(job, 'loop'))
  await symlink('nothing', path.join(job, 'dangling'))
  return { root, job }
}

describe('pathPart', () => {
  const NAMES = [
    'ada',
    'Ada',
    'ADA',
    'ada lovelace',
    'ada_lovelace',
    'é',
    'e\u0301',
    'É',
    'ß',
    'ss',
    'ﬁ',
    'fi',
    'İ',
    'i',
    'K',
    'k',
    '\u212a',
  ]
  const folded = (part: string) => part.normalize('NFKD').toLowerCase().normalize('NFKC')

  test('gives two names to two texts, also where the file system folds case or composes letters', () => {
    expect(new Set(NAMES.map((name) => folded(pathPart(name)))).size).toBe(NAMES.length)
  })
  test.each([
    '',
    '.',
    '..',
    '/',
    '\\',
    'a/b',
    '../x',
    'a\0b',
    '~',
    'con',
    '-rf',
    'x'.repeat(1000),
    '\ud800',
    '\udc00',
    ' ',
    'a.',
  ])('%j becomes one harmless part of a path', (text) => {
    const part = pathPart(text)
    expect(part).toMatch(/^[A-Za-z0-9._@~-]{1,100}$/)
    expect(['.', '..']).not.toContain(part)
    expect(path.join('/root', part)).toBe(`/root/${part}`)
  })
  test('leaves plain names as they are', () => {
    for (const name of ['ada', 'ada.lovelace', 'ada-l_2', 'a@example.org', '1001']) expect(pathPart(name)).toBe(name)
  })
  test('never gives one name to two texts, whatever they are, nor the name of a file system’s own', () => {
    const text = fc.oneof(
      fc.string(),
      fc.string({ unit: 'binary' }),
      fc.constantFrom(...NAMES).map(pathPart),
      fc.constantFrom('\ud800', '\ud801'),
    )
    fc.assert(
      fc.property(text, text, (a, b) => {
        expect(pathPart(a)).toMatch(/^[A-Za-z0-9._@~-]{1,100}$/)
        expect(folded(pathPart(a)) === folded(pathPart(b))).toBe(a === b)
      }),
      { numRuns: 600, examples: [['\ud800', '\ud801']] },
    )
  })
  test('the directories of jobs lie below root, app, user, job and attempt', () => {
    const workspace = defaultWorkspace('/jobs', 'flood', '../../etc')
    expect(workspace).toMatch(/^\/jobs\/flood\/______etc~[0-9a-f]{16}$/)
    expect(jobDirectory(workspace, 7)).toBe(`${workspace}/7`)
    expect(attemptDirectory(workspace, 7, 2)).toBe(`${workspace}/7/2`)
  })
})

describe('isInside', () => {
  test.each([
    ['/a', '/a', true],
    ['/a', '/a/b', true],
    ['/a', '/a/..b', true],
    ['/a', '/a/b/../c', true],
    ['/a', '/', false],
    ['/a', '/ab', false],
    ['/a', '/a/../b', false],
    ['/a', '/b/a', false],
  ])('%s, %s: %s', (outer, inner, expected) => expect(isInside(outer, inner)).toBe(expected))
})

const OUT = [
  '..',
  '../secret',
  '../job-two/secret',
  'sub/../../secret',
  '/etc/passwd',
  './..',
  'out',
  'up',
  'up/secret',
  'sibling/secret',
  'result.json\0',
  '\0',
]
const NOT_THERE = ['nothing', 'nothing/../x', 'dangling', 'loop', 'result.json/x', 'x'.repeat(300)]

describe('resolveInside', () => {
  test.each(OUT)('refuses %j, which leads out', async (relative) => {
    const { job } = await jobFiles()
    const error = await expectRefusal(() => resolveInside(job, relative, 'path'), 'unsafe_path', 'path')
    expect(error.status).toBe(400)
  })
  test.each(NOT_THERE)('does not find %j', async (relative) => {
    const { job } = await jobFiles()
    expect((await expectRefusal(() => resolveInside(job, relative, 'path'), 'not_found', 'path')).status).toBe(404)
  })
  test.each([
    ['result.json', 'result.json'],
    ['./sub/../result.json', 'result.json'],
    ['inner', 'result.json'],
    ['..dots..', '..dots..'],
    ['sub', 'sub'],
    ['', ''],
  ])('resolves %j', async (relative, expected) => {
    const { job } = await jobFiles()
    expect(await resolveInside(job, relative, 'path')).toBe(path.join(job, expected))
  })
  test('works where the directory itself is reached by a link', async () => {
    const { root, job } = await jobFiles()
    await symlink(job, path.join(root, 'alias'))
    expect(await resolveInside(path.join(root, 'alias'), 'result.json', 'path')).toBe(path.join(job, 'result.json'))
  })
})

describe('results', () => {
  test('are the files of the job: without Telesto’s own and without links, by name', async () => {
    const { job } = await jobFiles()
    const files = await listResults(job)
    expect(files.map((file) => file.path)).toEqual(['..dots..', 'result.json', 'sub/ä \n$x;`y`'])
    expect(files[1]).toEqual({ path: 'result.json', size: 2, modifiedAt: expect.any(Date) })
  })
  test('of a directory that is not there are none', async () => {
    const { root } = await jobFiles()
    expect(await listResults(path.join(root, 'nothing'))).toEqual([])
  })
  test('each that is listed can be had by its path', async () => {
    const { job } = await jobFiles()
    for (const file of await listResults(job)) expect(await resultPath(job, file.path)).toBe(path.join(job, file.path))
  })
  test.each(OUT)('a path that leads out is refused: %j', async (relative) => {
    const { job } = await jobFiles()
    await expectRefusal(() => resultPath(job, relative), 'unsafe_path', 'path')
  })
  test.each([
    ...NOT_THERE,
    '.telesto/report',
    './.telesto/report',
    'sub/../.telesto/report',
    'sub/.telesto/report',
    'report',
    'sub',
    '',
    '.',
  ])('what is no result is not found: %j', async (relative) => {
    const { job } = await jobFiles()
    await expectRefusal(() => resultPath(job, relative), 'not_found', 'path')
  })
  test('before the first attempt there is none', async () => {
    await expectRefusal(() => resultPath(null, 'result.json'), 'not_found', 'path')
  })
})
