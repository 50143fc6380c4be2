import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { DEFECTS } from './defects.js'

const changes = DEFECTS.flatMap(({ id, change }) => change.map((one) => ({ id, ...one })))

// Tried out by `npm run defects`, which takes a minute; that it can be is known at once.
test.for(changes)('the change that brings defect $id into $file has one place there', ({ file, text }) => {
  expect(readFileSync(file, 'utf8').split(text)).toHaveLength(2)
})
