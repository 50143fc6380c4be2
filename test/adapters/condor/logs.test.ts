import { describe, expect, test } from 'vitest'
import { logFilesOf } from '../../../adapters/condor/logs.js'
import { condorSpec } from '../../../adapters/condor/spec.js'
import { describe as describeJob, serialize } from '../../../adapters/condor/submit-description.js'

const DIRECTORY = "/home/ada/it's $(here)"
/** As the submit file of a job says it. */
const files = (options: object, nativeId = '12.3') => {
  const place = { token: 't', name: 'a job', directory: DIRECTORY, batch: 'b' }
  const spec = condorSpec.parse({ executable: '/bin/true', ...options })
  return logFilesOf(serialize(describeJob(spec, place)), nativeId, DIRECTORY)
}

describe('the files that procs write', () => {
  test('out and err, where nothing else is said', () => {
    expect(files({})).toEqual([{ path: 'out' }, { path: 'err' }])
  })

  test('of several procs each has its own', () => {
    expect(files({ numJobs: 2 }, '12.3-4')).toEqual([
      { path: 'out.0', part: '0' },
      { path: 'out.1', part: '1' },
      { path: 'err.0', part: '0' },
      { path: 'err.1', part: '1' },
    ])
  })

  test('are told by the cluster and the number within the job, and once where all procs write one', () => {
    expect(
      files({ numJobs: 2, output: '$(Cluster)/$(Process).txt'.replace('/', '-'), error: 'all' }, '12.3-4'),
    ).toEqual([
      { path: '12-0.txt', part: '0' },
      { path: '12-1.txt', part: '1' },
      { path: 'all', part: '0' },
    ])
  })

  test('begin where the procs begin', () => {
    expect(files({ initialDir: 'runs', output: 'logs/x.out' })).toEqual([
      { path: 'runs/logs/x.out' },
      { path: 'runs/err' },
    ])
  })

  test('include a log of events of the job itself', () => {
    expect(files({ log: 'mine.log' })).toContainEqual({ path: 'mine.log' })
  })

  test('are none where they are thrown away, or their names are known to HTCondor alone', () => {
    expect(files({ output: '/dev/null', error: '$RANDOM_INTEGER(1,9).err' })).toEqual([])
    expect(files({}, 'telesto-never-was')).toEqual([])
  })
})

test('what leads out of the directory, or into the folder of Telesto, is no log', () => {
  const written = (output: string) =>
    logFilesOf(`initialdir = /home/ada/job\noutput = ${output}\n`, '1.0', '/home/ada/job')
  for (const path of ['/etc/passwd', '../other/out', 'a/../../b', '.telesto/report', ''])
    expect(written(path)).toEqual([])
  expect(written('a/../b')).toEqual([{ path: 'b' }])
})
