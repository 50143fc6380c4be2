import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { basicSpec } from '../../adapters/local/spec.js'
import { errorOf, machine, never } from './local-fixture.js'

const withRoots = () => {
  const fixture = machine()
  const first = join(fixture.root, 'workspace of the job')
  const second = join(fixture.root, 'workspace of the app')
  for (const directory of [first, second]) mkdirSync(directory)
  return { ...fixture, first, second, inputRoots: [first, second] }
}
const script = (path: string, text: string) => {
  writeFileSync(path, `#!/bin/sh\n${text}\n`)
  chmodSync(path, 0o755)
}

describe('relative input files and programs', () => {
  test('a relative program is looked up in the workspace of the job, then of the app, and runs in its own directory', async () => {
    const { run, ended, output, second, first, inputRoots } = withRoots()
    script(join(second, 'model.sh'), 'echo app; pwd -P')
    const fromApp = await run(['./model.sh'], { inputRoots })
    await ended(fromApp)
    expect(output(fromApp)).toContain('app\n')
    expect(output(fromApp)).toContain(fromApp.token)
    script(join(first, 'model.sh'), 'echo job')
    const fromJob = await run(['./model.sh'], { inputRoots })
    await ended(fromJob)
    expect(output(fromJob)).toBe('job\n')
  })

  test('input files are copied under the path by which they were named, the workspace of the job first', async () => {
    const { run, ended, read, request, first, second, inputRoots } = withRoots()
    mkdirSync(join(second, 'basins'))
    writeFileSync(join(second, 'basins', 'nile (1).csv'), 'app')
    writeFileSync(join(second, 'a'), 'app')
    writeFileSync(join(first, 'a'), 'job')
    const { spec } = request(['cat', 'basins/nile (1).csv', 'a'])
    const ref = await run(['true'], { inputRoots, spec: { ...spec, inputFiles: ['basins/nile (1).csv', './a'] } })
    await ended(ref)
    expect(read(ref, '.telesto', ref.token, 'stdout')).toBe('appjob')
    expect(read(ref, 'a')).toBe('job')
  })

  test('an input file that is nowhere, or a directory, fails its job alone, with the places that were looked at', async () => {
    const { scheduler, request, inputRoots, second } = withRoots()
    mkdirSync(join(second, 'folder'))
    for (const name of ['missing.csv', 'folder']) {
      const job = request(['true'], { inputRoots })
      const answers = await scheduler.submit([{ ...job, spec: { ...job.spec, inputFiles: [name] } }], never)
      const error = errorOf(answers.get(job.token))
      expect(error.code).toBe('invalid_job')
      expect(error.message).toContain(name)
      expect(error.message).toContain('workspace of the app')
    }
  })

  test.each(['/etc/passwd', '../secret', 'a/../../secret', '..', '.'])('the input file %j is refused', (file) => {
    const result = basicSpec.safeParse({ command: ['true'], inputFiles: [file] })
    expect(result.success).toBe(false)
    expect(result.error?.issues[0]?.path).toEqual(['inputFiles', 0])
  })
})
