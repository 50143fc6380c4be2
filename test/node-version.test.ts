import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { nodeTooOld } from '../src/node-version.js'

test.for(['22.13.0', '22.20.1', '23.0.0', '24.21.0', '100.0.0', '22.13.0-nightly'])('Node %s will do', (version) => {
  expect(nodeTooOld(version)).toBeUndefined()
})

test.for(['22.12.9', '22.2.0', '20.20.2', '18.0.0', '0.12.0'])('Node %s is refused in one sentence', (version) => {
  expect(nodeTooOld(version)).toContain('Telesto needs Node 22.13 or newer')
  expect(nodeTooOld(version)).toContain(`this is Node ${version}`)
})

test('an older Node that loads the library gets one sentence and exit code 1, not a stack', () => {
  const program = `
    Object.defineProperty(process.versions, 'node', { value: '20.20.2' })
    await import('telesto')
    console.log('loaded')`
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
    encoding: 'utf8',
  })
  expect({ status, stdout, stderr }).toEqual({ status: 1, stdout: '', stderr: `${nodeTooOld('20.20.2')}\n` })
})
