import { expect, test } from 'vitest'
import { TelestoError } from '../src/errors.js'
import { nodeTooOld, requireNode } from '../src/node-version.js'

test.for(['22.13.0', '22.20.1', '23.0.0', '24.21.0', '100.0.0', '22.13.0-nightly'])('Node %s will do', (version) => {
  expect(nodeTooOld(version)).toBeUndefined()
  expect(() => requireNode(version)).not.toThrow()
})

test.for(['22.12.9', '22.2.0', '20.20.2', '18.0.0', '0.12.0'])('Node %s is refused in one sentence', (version) => {
  expect(nodeTooOld(version)).toContain('Telesto needs Node 22.13 or newer')
  expect(nodeTooOld(version)).toContain(`this is Node ${version}`)
  expect(() => requireNode(version)).toThrow(TelestoError)
  expect(() => requireNode(version)).toThrow(expect.objectContaining({ code: 'node_too_old' }))
})
