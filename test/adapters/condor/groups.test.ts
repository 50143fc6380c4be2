import { describe, expect, test } from 'vitest'
import { groupsOf } from '../../../adapters/condor/groups.js'
import type { SubmitDescription } from '../../../adapters/condor/submit-description.js'

const job = (token: string, commands: Record<string, string>, count = 1) => ({
  token,
  description: { commands: new Map(Object.entries(commands)), count, folders: [] } satisfies SubmitDescription,
})

describe('jobs that one submit file can describe', () => {
  test('what they say alike stands in the file, what differs in a line for each', () => {
    const [group, ...others] = groupsOf([
      job('a', { executable: '/bin/true', arguments: '"1 2"' }),
      job('b', { executable: '/bin/true', arguments: '"3, 4"' }),
    ])
    expect(others).toEqual([])
    expect(group?.submitFile).toContain('executable = /bin/true\narguments = $(telesto1)\n')
    expect(group?.submitFile.trimEnd().split('\n').at(-1)).toBe('queue 1 telestoToken,telesto1 from -')
    expect(group?.lines).toEqual(['a,"1$(telestoSpace)2"', 'b,"3$(telestoComma)$(telestoSpace)4"'])
  })

  test('an empty value and a tab are no ends of a field', () => {
    const [group] = groupsOf([job('a', { x: '' }), job('b', { x: 'p\tq' }), job('c', { x: ' r ' })])
    expect(group?.lines).toEqual(['a,$(telestoNothing)', 'b,p$(telestoTab)q', 'c,r'])
  })

  test('a value with macros of its own is a macro as a whole', () => {
    const [group] = groupsOf([job('a', { x: '$CHOICE(1, a, b)' }), job('b', { x: '2' })])
    expect(group?.submitFile).toContain('telesto1_0 = $CHOICE(1, a, b)\nx = $(telesto1)\n')
    expect(group?.lines).toEqual(['a,$(telesto1_0)', 'b,2'])
  })

  test('no command of one job can leak to another: others, another count, another universe are another group', () => {
    const groups = groupsOf([
      job('a', { executable: '/bin/true' }),
      job('b', { executable: '/bin/true', request_gpus: '1' }),
      job('c', { executable: '/bin/true' }, 2),
      job('d', { executable: '/bin/true', universe: 'vanilla' }),
      job('e', { executable: '/bin/true', universe: 'local' }),
      job('f', { executable: '/bin/false' }),
    ])
    expect(groups.map(({ lines }) => lines.map((line) => line.split(',')[0]))).toEqual([
      ['a', 'f'],
      ['b'],
      ['c'],
      ['d'],
      ['e'],
    ])
    expect(groups[2]?.submitFile).toContain('queue 2 telestoToken from -')
  })

  test('no jobs, no groups', () => {
    expect(groupsOf([])).toEqual([])
  })
})
