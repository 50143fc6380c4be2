import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { z } from 'zod'
import { filesOf } from '../../../adapters/condor/inputs.js'
import { condorSpec } from '../../../adapters/condor/spec.js'
import { SchedulerError } from '../../../src/adapter.js'

type Options = z.input<typeof condorSpec>

const workspaces = () => {
  const top = mkdtempSync(join(tmpdir(), "telesto condor 'x' é "))
  onTestFinished(() => rmSync(top, { recursive: true, force: true }))
  const job = join(top, 'job')
  const app = join(top, 'app')
  for (const directory of [job, app]) mkdirSync(directory)
  const put = (path: string, text = path, mode = 0o644): string => {
    mkdirSync(join(path, '..'), { recursive: true })
    writeFileSync(path, text)
    chmodSync(path, mode)
    return path
  }
  const files = async (options: Options) =>
    await filesOf(condorSpec.parse({ executable: '/bin/true', ...options }), [job, app])
  const targets = async (options: Options) => (await files(options)).map(({ to }) => to)
  const refused = async (options: Options): Promise<string> => {
    try {
      return `accepted: ${await targets(options)}`
    } catch (error) {
      if (error instanceof SchedulerError && error.code === 'invalid_job') return error.message
      throw error
    }
  }
  return { top, job, app, put, files, targets, refused }
}

describe('files that travel with a job', () => {
  test("are looked up in the workspace of the job, then the app's, and keep their path", async () => {
    const { job, app, put, files } = workspaces()
    put(join(app, 'a'))
    put(join(job, 'a'), 'four')
    put(join(app, 'data/Blue Nile (1) été.csv'), 'x', 0o640)
    expect(await files({ remoteInputFiles: ['./a', 'data/Blue Nile (1) été.csv'] })).toEqual([
      { from: join(job, 'a'), to: 'a', size: 4, mode: 0o644 },
      { from: join(app, 'data/Blue Nile (1) été.csv'), to: 'data/Blue Nile (1) été.csv', size: 1, mode: 0o640 },
    ])
  })
  test('may be named absolutely inside a workspace, and then keep the last part of their name', async () => {
    const { app, put, files, refused, top } = workspaces()
    const from = put(join(app, 'data/input_1'))
    expect(await files({ remoteInputFiles: [from] })).toMatchObject([{ from, to: 'input_1' }])
    put(join(top, 'outside'))
    expect(await refused({ remoteInputFiles: [join(top, 'outside')] })).toContain('There is no input file')
    expect(await refused({ remoteInputFiles: [`${app}/../outside`] })).toContain('There is no input file')
  })
  test('may be folders, with all that is in them', async () => {
    const { app, put, targets } = workspaces()
    put(join(app, 'data/a'))
    put(join(app, 'data/deep/er/b'))
    mkdirSync(join(app, 'data/empty'))
    expect((await targets({ remoteInputFiles: ['data/'] })).sort()).toEqual(['data/a', 'data/deep/er/b'])
  })
  test('each travels once', async () => {
    const { app, put, targets } = workspaces()
    put(join(app, 'model.sh'), '#!/bin/sh', 0o755)
    put(join(app, 'data/a'))
    const options: Options = {
      executable: './model.sh',
      remoteInputFiles: ['model.sh', 'data', 'data/a'],
      transferInputFiles: ['data/a', 'data'],
      input: 'data/a',
    }
    expect(await targets(options)).toEqual(['model.sh', 'data/a'])
  })
  test('a folder travels as a whole, though the executable in it travels already', async () => {
    const { app, put, targets } = workspaces()
    put(join(app, 'code/run.sh'), '#!/bin/sh', 0o755)
    put(join(app, 'code/step.ts'))
    expect(await targets({ executable: 'code/run.sh', transferInputFiles: ['code'] })).toEqual([
      'code/run.sh',
      'code/step.ts',
    ])
  })
  test('are also those that HTCondor is told to transfer from there, one for each proc', async () => {
    const { app, put, targets, refused } = workspaces()
    for (const name of ['in_0', 'in_1', 'params']) put(join(app, name))
    const options: Options = {
      numJobs: 2,
      transferInputFiles: '$(stem)_$(Process), /data/x, https://host/y, $ENV(HOME)/z',
      attributes: { stem: 'in', input: 'params' },
    }
    expect(await targets(options)).toEqual(['in_0', 'in_1', 'params'])
    expect(await refused({ ...options, numJobs: 3 })).toContain('There is no input file "in_2" in ')
    expect(await targets({ ...options, numJobs: 3, shouldTransferFiles: 'NO' })).toEqual(['params'])
  })
  test('may be missing where another job makes them there before', async () => {
    const { app, job, put } = workspaces()
    put(join(app, 'here'))
    const spec = condorSpec.parse({ executable: '/bin/true', transferInputFiles: ['made', 'here'], input: 'made too' })
    expect((await filesOf(spec, [job, app], true)).map(({ to }) => to)).toEqual(['here'])
    await expect(filesOf(spec, [job, app])).rejects.toThrow('There is no input file "made" in')
    const missing = condorSpec.parse({ executable: 'model.sh' })
    await expect(filesOf(missing, [job, app], true)).rejects.toThrow('There is no executable')
  })
  test('none are needed', async () => {
    expect(await workspaces().targets({})).toEqual([])
  })
})

describe('what is wrong with a file is told with its name', () => {
  test('missing, in both workspaces', async () => {
    const { refused, job, app } = workspaces()
    expect(await refused({ remoteInputFiles: ['no such'] })).toBe(
      `There is no input file "no such" in ${job} or ${app}.`,
    )
    expect(await refused({ executable: 'model.sh' })).toBe(`There is no executable "model.sh" in ${job} or ${app}.`)
  })
  test('out of the workspaces, by its path or by a link', async () => {
    const { refused, app, top, put } = workspaces()
    put(join(top, 'secret'))
    symlinkSync(join(top, 'secret'), join(app, 'link'))
    symlinkSync(top, join(app, 'folder'))
    for (const name of ['../secret', 'a/../../secret', '..', '.', './'])
      expect(await refused({ remoteInputFiles: [name] })).toContain('must be named by a path without ".."')
    expect(await refused({ remoteInputFiles: ['link'] })).toContain('is a link that leads out of')
    expect(await refused({ remoteInputFiles: ['folder/secret'] })).toContain('is a link that leads out of')
    put(join(app, 'data/x'))
    symlinkSync(join(top, 'secret'), join(app, 'data/link'))
    expect(await refused({ remoteInputFiles: ['data'] })).toContain('holds a link, link')
    expect(await refused({ remoteInputFiles: ['.telesto/claim'] })).toContain('not in .telesto')
  })
  test('a link that stays inside is followed', async () => {
    const { files, app, put } = workspaces()
    const from = put(join(app, 'v2/model'))
    symlinkSync('v2/model', join(app, 'model'))
    expect(await files({ remoteInputFiles: ['model'] })).toMatchObject([{ from, to: 'model' }])
  })
  test('an executable that is none', async () => {
    const { refused, app, put } = workspaces()
    put(join(app, 'model.sh'))
    mkdirSync(join(app, 'bin'))
    put(join(app, 'bin/one'))
    expect(await refused({ executable: 'model.sh' })).toContain(`is not executable: chmod +x ${join(app, 'model.sh')}`)
    expect(await refused({ executable: 'bin' })).toContain('is a folder: name the program in it')
  })
  test('two files that would be one', async () => {
    const { refused, job, app, put } = workspaces()
    put(join(job, 'a'))
    const other = put(join(app, 'a'))
    expect(await refused({ remoteInputFiles: ['a', other] })).toContain("would both be a in the job's directory")
  })
  test('a pipe', async () => {
    const { refused, app } = workspaces()
    mkdirSync(join(app, 'data'))
    execFileSync('mkfifo', [join(app, 'data/pipe')])
    expect(await refused({ remoteInputFiles: ['data'] })).toContain('"data/pipe" is neither a file nor a folder')
  })
  test('too many', async () => {
    const { refused, app } = workspaces()
    mkdirSync(join(app, 'many'))
    for (let file = 0; file <= 10_000; file++) writeFileSync(join(app, 'many', `${file}`), '')
    expect(await refused({ remoteInputFiles: ['many'] })).toContain('holds more than 10000 files')
  })
})
