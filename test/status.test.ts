import { describe, expect, test } from 'vitest'
import * as api from '../src/index.js'
import { isActive, isSettled, type StatusCode, statusCodeOf } from '../src/status.js'

// Codes, display names and their order as Tethys has them (TethysJob.STATUSES).
const TETHYS: readonly (readonly [StatusCode, string])[] = [
  ['PEN', 'Pending'],
  ['SUB', 'Submitted'],
  ['RUN', 'Running'],
  ['VAR', 'Various'],
  ['PAS', 'Paused'],
  ['COM', 'Complete'],
  ['ERR', 'Error'],
  ['ABT', 'Aborted'],
  ['VCP', 'Various-Complete'],
  ['RES', 'Results-Ready'],
  ['OTH', 'Other'],
]
const names = TETHYS.map(([, name]) => name)

describe('the eleven statuses are those of Tethys', () => {
  test('codes, display names and their order', () => {
    expect(api.statuses).toEqual(TETHYS)
    expect(api.validStatuses).toEqual(TETHYS.map(([code]) => code))
    expect(api.displayStatuses).toEqual(Object.fromEntries(TETHYS))
    expect(api.reverseStatuses).toEqual(Object.fromEntries(TETHYS.map(([code, name]) => [name, code])))
  })

  // Tethys slices the list: pre-running [:2], running [2:4], active [1:5], non-terminal [0:5], terminal [5:-1].
  test('categories are the slices of Tethys', () => {
    expect(api.preRunningStatuses).toEqual(names.slice(0, 2))
    expect(api.runningStatuses).toEqual(names.slice(2, 4))
    expect(api.activeStatuses).toEqual(names.slice(1, 5))
    expect(api.nonTerminalStatuses).toEqual(names.slice(0, 5))
    expect(api.terminalStatuses).toEqual(names.slice(5, -1))
    expect(api.nonTerminalStatusCodes).toEqual(['PEN', 'SUB', 'RUN', 'VAR', 'PAS'])
    expect(api.terminalStatusCodes).toEqual(['COM', 'ERR', 'ABT', 'VCP', 'RES'])
  })

  test('Other is in no category', () => {
    const lists = [api.preRunningStatuses, api.runningStatuses, api.activeStatuses, api.nonTerminalStatuses]
    expect([...lists, api.terminalStatuses].flat()).not.toContain('Other')
  })
})

describe('where a job stands', () => {
  // settled, active before execute(), active after it
  const standing: Readonly<Record<StatusCode, readonly [boolean, boolean, boolean]>> = {
    PEN: [false, false, true],
    SUB: [false, true, true],
    RUN: [false, true, true],
    VAR: [false, true, true],
    PAS: [false, true, true],
    COM: [true, false, false],
    ERR: [true, false, false],
    ABT: [true, false, false],
    VCP: [true, false, false],
    RES: [false, false, false],
    OTH: [false, true, true],
  }
  test.each(Object.entries(standing))('%s', (code, [settled, before, after]) => {
    const statusCode = code as StatusCode
    const job = { statusCode, statusClass: null }
    expect(isSettled(job)).toBe(settled)
    expect(isActive({ ...job, executeTime: null })).toBe(before)
    expect(isActive({ ...job, executeTime: 1 })).toBe(after)
  })
})

describe('a status is named by', () => {
  test.each(TETHYS)('its code %s or its display name %s', (code, name) => {
    expect(statusCodeOf(code)).toBe(code)
    expect(statusCodeOf(name)).toBe(code)
  })
  test.each(['running', 'run', '', 'Half-way', 'constructor', 'toString', '__proto__', 'hasOwnProperty'])(
    'nothing else: %j is a custom text',
    (text) => expect(statusCodeOf(text)).toBeUndefined(),
  )
})
