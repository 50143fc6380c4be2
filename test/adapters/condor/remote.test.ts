import { expect, test } from 'vitest'
import { sectionOf, toldBy } from '../../../adapters/condor/remote.js'
import { SchedulerError } from '../../../src/adapter.js'

const bytes = (text: string) => new TextEncoder().encode(text)
const told = (stdout: string, code: number | null = 0, stderr = '') =>
  toldBy({ stdout: bytes(stdout), stderr: bytes(stderr), code }, 'M', 'status')
const codeOf = (work: () => unknown): string => {
  try {
    work()
  } catch (error) {
    if (error instanceof SchedulerError) return error.code
    throw error
  }
  return 'answered'
}

test('the sections of an answer, and the code with which it ends', () => {
  const answer = told('M queue\n[1]\nM history\n[ ]\nM over 3\n')
  expect(answer.code).toBe(3)
  expect(sectionOf(answer, 'queue')).toBe('[1]\n')
  expect(sectionOf(answer, 'history')).toBe('[ ]\n')
  expect(sectionOf(answer, 'other')).toBe('')
})

test('what a login shell prints around the answer is no part of it', () => {
  const answer = told('Welcome! M queue\n[1]\nM over 0\nlogout\n')
  expect(sectionOf(answer, 'queue')).toBe('[1]\n')
})

test('half an answer and none are no answer', () => {
  expect(codeOf(() => told('M queue\n[1'))).toBe('protocol')
  expect(codeOf(() => told('%$ {"a": ['))).toBe('protocol')
  expect(codeOf(() => told(''))).toBe('protocol')
  expect(codeOf(() => told('M queue\n', 127, 'sh: 1: condor_q: not found'))).toBe('unavailable')
  expect(codeOf(() => told('', 1, "cd: can't cd to x"))).toBe('protocol')
})
