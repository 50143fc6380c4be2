import { describe, expect, test } from 'vitest'
import { remnantsIn } from '../../../adapters/condor/fetch.js'
import { placeOf } from '../../../adapters/condor/place.js'
import { inRangeOf, procsIn, withTokens } from '../../../adapters/condor/queue.js'
import { answersOf } from '../../../adapters/condor/submit.js'
import { SchedulerError } from '../../../src/adapter.js'

describe('what the script that submits says', () => {
  const PROCS = new Map([
    ['a', 1],
    ['b', 2],
    ['c', 1],
  ])
  const said = (titles: readonly (readonly [string, string])[], code = 0, stderr = '') =>
    [...answersOf({ sections: titles.map(([title, text]) => ({ title, text })), code, stderr }, PROCS)].map(
      ([token, answer]) => [token, answer instanceof SchedulerError ? answer.code : answer],
    )

  test('an id for each job that is in the queue, whatever else was said of it', () => {
    expect(
      said([
        ['refused b', 'ERROR: no'],
        ['procs', 'a 1 0\nb 1 1\nb 1 2\nc 2 0\n'],
      ]),
    ).toEqual([
      ['a', '1.0'],
      ['b', '1.1-2'],
      ['c', '2.0'],
    ])
  })

  test('a refusal is final, a lost claim no answer at all', () => {
    expect(
      said([
        ['lost a', ''],
        ['refused b', 'ERROR: no'],
        ['procs', 'c 2 0\n'],
      ]),
    ).toEqual([
      ['b', 'invalid_job'],
      ['c', '2.0'],
    ])
  })

  test('after an outage the fate of the others is open', () => {
    expect(
      said([
        ['away', 'ERROR: Failed to connect'],
        ['procs', 'a 1 0\n'],
      ]),
    ).toEqual([
      ['a', '1.0'],
      ['b', 'unavailable'],
      ['c', 'unavailable'],
    ])
    expect(said([['procs', '']], 1, 'Failed to fetch ads')).toEqual([
      ['a', 'unavailable'],
      ['b', 'unavailable'],
      ['c', 'unavailable'],
    ])
  })

  test('what there was no time for is handed over again, and nothing else', () => {
    expect(
      said([
        ['late', 'b\n'],
        ['late', 'c\n'],
        ['procs', 'a 1 0\n'],
      ]),
    ).toEqual([['a', '1.0']])
    expect(
      said(
        [
          ['late', 'b\n'],
          ['procs', ''],
        ],
        1,
        'Failed to fetch ads',
      ),
    ).toEqual([
      ['a', 'unavailable'],
      ['c', 'unavailable'],
    ])
  })

  test('a job of which a part alone is shown is open; the outermost of its procs are enough', () => {
    expect(said([['procs', 'a 1 0\nb 1 2\nc 2 0\n']])).toEqual([
      ['a', '1.0'],
      ['b', 'unavailable'],
      ['c', '2.0'],
    ])
    const three = new Map([['d', 3]])
    const told = (text: string) => ({ sections: [{ title: 'procs', text }], code: 0, stderr: '' })
    expect(answersOf(told('d 1 4\nd 1 2\n'), three).get('d')).toBe('1.2-4')
    expect(String(answersOf(told('d 1 2\nd 1 3\n'), three).get('d'))).toContain('of its 3 procs only 1.2-3 are shown')
  })

  test('files of the attempt before that cannot be copied leave it open, with the words of cp', () => {
    const { sections, ...told } = {
      sections: [{ title: 'uncopied b', text: 'cp: x: No space left on device\n' }],
      code: 0,
      stderr: '',
    }
    const answer = answersOf({ ...told, sections: [...sections, { title: 'procs', text: '' }] }, PROCS).get('b')
    expect(answer).toMatchObject({ code: 'unavailable' })
    expect(String(answer)).toContain('No space left on device')
  })

  test('what nobody shows is open', () => {
    expect(said([['procs', 'a 1 0\n']])).toEqual([
      ['a', '1.0'],
      ['b', 'unavailable'],
      ['c', 'unavailable'],
    ])
  })
})

test('a constraint names tokens, and nothing that is none', () => {
  expect(withTokens(['a-1', 'b_2', 'x"} || true'])).toBe('member(TelestoToken, {"a-1","b_2"})')
})

test('a range of clusters is as short for many as for one, and none for what is no id', () => {
  expect(inRangeOf([{ nativeId: '7.0' }, { nativeId: '3.1-5' }, { nativeId: 'x' }])).toContain(
    'ClusterId >= 3 && ClusterId <= 7',
  )
  expect(inRangeOf([{ nativeId: 'x' }])).toBeUndefined()
})

test('lines of procs, and nothing else', () => {
  expect(procsIn('a 1 0\nnoise\nb 2\nc 3 4 5\nd x y\n')).toEqual([{ token: 'a', cluster: 1, proc: 0 }])
})

describe('the directory of an attempt', () => {
  test.for([
    ['/srv/jobs/1/', { workdir: '/srv/jobs/1', root: '/', relative: 'srv/jobs/1' }],
    ['telesto/a b/1', { workdir: 'telesto/a b/1', root: '.', relative: 'telesto/a b/1' }],
    ['/srv/./x/../1', { workdir: '/srv/1', root: '/', relative: 'srv/1' }],
  ] as const)('%s', ([workdir, place]) => {
    expect(placeOf({ workdir, token: 't' })).toEqual(place)
  })

  test.for(['', '/', '.', './', '..', '../x', 'a/../../x', '-rf', 'a\nb', 'a\tb', 'a\0b', '\ud800'])(
    '%j is none',
    (workdir) => {
      expect(() => placeOf({ workdir, token: 't' })).toThrow(SchedulerError)
    },
  )

  test.for(['', 'a b', '../t', 'a"b', 'x'.repeat(201)])('%j is no token', (token) => {
    expect(() => placeOf({ workdir: '/srv/1', token })).toThrow(SchedulerError)
  })
})

test('files with their sizes; a path that leads out is left out', () => {
  expect(remnantsIn('3 a b\x000 c\nd\0x e\x005 ../f\x004 g/../../h\0')).toEqual([
    { path: 'a b', size: 3 },
    { path: 'c\nd', size: 0 },
  ])
})
