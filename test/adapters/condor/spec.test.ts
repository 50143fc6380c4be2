import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { z } from 'zod'
import { condorAttributes } from '../../../adapters/condor/attributes.js'
import { COMMANDS } from '../../../adapters/condor/commands.js'
import { condorOptions, condorSpec } from '../../../adapters/condor/spec.js'

type Options = z.input<typeof condorSpec>
const parsed = (options: unknown) => condorSpec.parse(options)
/** The field that is refused, and why. */
const refused = (options: unknown): string => {
  const issue = condorSpec.safeParse(options).error?.issues[0]
  return issue ? `${issue.path.join('.')}: ${issue.message}` : 'accepted'
}

describe('the options of a CONDOR job', () => {
  test('are stored as they were given, with what is missing filled in', () => {
    expect(parsed({})).toEqual({ numJobs: 1, attributes: {} })
    const options = {
      executable: 'model.sh',
      arguments: ['--basin', 'nile'],
      environment: { OMP_NUM_THREADS: '2' },
      condorpyTemplateName: 'vanilla_transfer_files',
      requestCpus: 2,
      requestMemory: '2GB',
      priority: 0,
      periodicHold: false,
      remoteInputFiles: ['nile.csv'],
      attributes: { '+Project': '"flood"', notification: 'Never', coresize: 0, arguments: '' },
      numJobs: 20,
    } satisfies Options
    expect(parsed(options)).toEqual(options)
  })
  test('are accepted again as they were stored', () => {
    const stored = parsed({ queue: 3, executable: 'a', attributes: { a: ['x', 'y'], b: true } })
    expect(parsed(JSON.parse(JSON.stringify(stored)))).toEqual(stored)
  })
  test('take lists of constants, and tuples', () => {
    const files = ['a.csv', 'b.csv'] as const
    const options: Options = { remoteInputFiles: files, arguments: files, attributes: { x: files } }
    expect(parsed(options).remoteInputFiles).toEqual(['a.csv', 'b.csv'])
  })

  test.each([0, -1, 1.5, 10_001, 1e9, '3'])('numJobs and queue refuse %j', (count) => {
    expect(refused({ numJobs: count })).toMatch(/^numJobs: must be a whole number of procs from 1 to 10000/)
    expect(refused({ queue: count })).toMatch(/^queue: must be a whole number of procs from 1 to 10000/)
  })
  test('numJobs and queue are one', () => {
    expect([parsed({ queue: 7 }).numJobs, parsed({ numJobs: 7, queue: 7 }).numJobs]).toEqual([7, 7])
    expect(refused({ numJobs: 7, queue: 8 })).toBe('queue: it is another name of numJobs: give one of them')
  })

  test.each<[string, unknown, string]>([
    ['a template that there is not', { condorpyTemplateName: 'vanila' }, 'condorpyTemplateName: must be one of base, '],
    ['a universe that there is not', { universe: 'nope' }, 'universe: '],
    ['half a surrogate pair', { arguments: ['\ud800'] }, 'arguments.0: must be well-formed Unicode'],
    ['a NUL in an argument', { arguments: ['a', 'b\0'] }, 'arguments.1: must have no NUL'],
    [
      'a carriage return in an argument',
      { arguments: ['b\r'] },
      'arguments.0: must have no NUL and no carriage return',
    ],
    ['an argument that is no text', { arguments: [3] }, 'arguments: must be a list of strings'],
    ['a newline in a line', { arguments: 'a\nqueue 1000' }, 'arguments: must be one line'],
    ['a newline in an expression', { requirements: 'true\nqueue' }, 'requirements: must be one line'],
    ['a backslash that joins the next line', { rank: '1 \\ ' }, 'rank: must not end with a backslash'],
    ['an object as an expression', { periodicRemove: {} }, 'periodicRemove: must be an expression of HTCondor'],
    ['a negative amount', { requestCpus: -1 }, 'requestCpus: '],
    ['an amount that is none', { requestMemory: Number.NaN }, 'requestMemory: must be a number (of MiB)'],
    ['a path out of the job', { initialDir: '../x' }, 'initialDir: must be a path inside the directory of the job'],
    ['an absolute path', { initialDir: '/tmp' }, 'initialDir: must be a path inside'],
    ['output outside', { output: '/etc/passwd' }, 'output: must be a path inside'],
    ['a variable with a bad name', { environment: { 'A=B': 'x' } }, 'environment.A=B: the name of a variable'],
    [
      'a variable of Telesto',
      { environment: { TELESTO_REPORT: 'x' } },
      'environment.TELESTO_REPORT: this variable is set',
    ],
    ['a NUL in a variable', { environment: { A: '\0' } }, 'environment.A: must have no NUL'],
    ['a variable that is no text', { environment: { A: 1 } }, 'environment.A: '],
    ['a list of variables', { environment: ['A=b'] }, 'environment: must be an object'],
    [
      'a name with a comma',
      { transferOutputFiles: ['a,b'] },
      'transferOutputFiles.0: must be the name of a file; this one holds a comma',
    ],
    ['a name with a newline', { remoteInputFiles: ['a\n'] }, 'remoteInputFiles.0: must be the name of a file'],
    ['an executable that is a line', { executable: 'a\nqueue' }, 'executable: must be the name of a file'],
    ['options of condor_submit', { submitOptions: ['-spool'] }, ': Unrecognized key: "submitOptions"'],
    ['retries that are none', { maxRetries: -1 }, 'maxRetries: '],
  ])('%s is refused', (_what, options, message) => {
    expect(refused(options)).toContain(message)
  })
})

describe('attributes', () => {
  test.each([
    'queue',
    'Queue',
    'include',
    'if',
    'endif',
    'USE',
    'warning',
    '+TelestoToken',
    'my.telestobatch',
    '+telesto_anything',
    'telesto_0_1',
    'TelestoJob',
    'dagman_log',
    '+DAGManNodesLog',
    '+Iwd',
    'remote_initialdir',
    'max_materialize',
    'materialize_max_idle',
    '+JobStatus',
    '+Owner',
    'a b',
    'a=b',
    'a\nb',
    'a@',
    'a:b',
    '',
    '+',
    'a.b',
    '-append',
    '$(x)',
    '#a',
    '1a',
  ])('%j cannot be set', (name) => {
    expect(refused({ attributes: { [name]: 'x' } })).toMatch(/^attributes\..*: it cannot be set: \S/s)
  })
  test('a key "__proto__" is not lost', () => {
    expect(parsed(JSON.parse('{"attributes":{"__proto__":"x"}}')).attributes).toEqual(JSON.parse('{"__proto__":"x"}'))
  })
  test.each<[unknown, string]>([
    ['x\nqueue 1000', 'control'],
    ['x\r', 'control'],
    ['x\0', 'control'],
    ['\u001b', 'control'],
    ['\u0085', 'control'],
    ['joins \\', 'backslash'],
    [{ a: 1 }, 'must be'],
    [null, 'must be'],
    [Number.POSITIVE_INFINITY, 'must be'],
    [['a', 1], 'must be'],
    [['a,b'], 'holds a comma'],
  ])('%j is no value', (value, why) => {
    expect(refused({ attributes: { notification: value } })).toMatch(/^attributes\.notification/)
    expect(refused({ attributes: { notification: value } })).toContain(why)
  })
  test.each([
    '',
    0,
    -1.5,
    false,
    true,
    'a\tb',
    ' x ',
    '$(Process) $(Cluster) $(job_name)',
    '"quoted"',
    ['a b', '$(x)'],
  ])('%j is one', (value) => {
    expect(parsed({ attributes: { any_command: value } }).attributes).toEqual({ any_command: value })
  })
  test.each([
    ['arguments', 'args'],
    ['request_cpus', 'RequestCpus'],
    ['initialdir', 'initial_dir'],
    ['environment', 'ENV'],
    ['priority', 'prio'],
    ['batch_name', 'JobBatchName'],
    ['+Project', 'MY.project'],
    ['Foo', 'foo'],
  ])('%s and %s are one command', (one, other) => {
    expect(refused({ attributes: { [one]: 'a', [other]: 'b' } })).toBe(
      `attributes.${other}: it is the same command as ${one}, with another value: give one of them`,
    )
    expect(refused({ attributes: { [one]: 'a', [other]: 'a' } })).toBe('accepted')
  })
  test.each(['initialdir', 'iwd', 'output', 'stderr', 'log'])('%s leads nowhere else than an option would', (name) => {
    expect(refused({ attributes: { [name]: '../../x' } })).toContain('must be a path inside the directory of the job')
  })
})

describe('setAttribute and getAttribute', () => {
  const start = parsed({ requestCpus: 2, condorpyTemplateName: 'vanilla_base', attributes: { '+Project': '"a"' } })
  const set = (name: string, value: Parameters<typeof condorAttributes.set>[2], spec: unknown = start) =>
    parsed(condorAttributes.set(spec, name, value))
  const get = (name: string, spec: unknown = start) => condorAttributes.get(spec, name)

  test('a command is found under each of its names, from the options, the attributes and the template', () => {
    expect([get('request_cpus'), get('RequestCpus'), get('requestCpus')]).toEqual([2, 2, 2])
    expect([get('+project'), get('MY.Project'), get('project')]).toEqual(['"a"', '"a"', undefined])
    expect([get('universe'), get('logdir'), get('nothing')]).toEqual(['vanilla', 'logs', undefined])
    expect([get('num_jobs'), get('queue'), get('condorpy_template_name')]).toEqual([1, 1, 'vanilla_base'])
  })
  test('what is set replaces all that had the name, and has precedence', () => {
    expect(set('RequestCpus', 4)).toMatchObject({ requestCpus: 4, attributes: { '+Project': '"a"' } })
    expect(set('MY.Project', '"b"').attributes).toEqual({ 'MY.Project': '"b"' })
    expect(get('universe', set('universe', 'local'))).toBe('local')
    expect(set('executable', 'my_script.py').executable).toBe('my_script.py')
    expect(set('num_jobs', 5).numJobs).toBe(5)
    expect(set('condorpy_template_name', 'base').condorpyTemplateName).toBe('base')
  })
  test("what an option cannot hold is kept in condor_submit's own words, and found again", () => {
    const changed = set('environment', 'A=b;C=d', parsed({ environment: { X: 'y' } }))
    expect(changed).toEqual({ numJobs: 1, attributes: { environment: 'A=b;C=d' } })
    expect(get('env', changed)).toBe('A=b;C=d')
    expect(set('env', { A: 'b' }, changed)).toEqual({ numJobs: 1, attributes: {}, environment: { A: 'b' } })
  })
  test('undefined takes it away', () => {
    expect(set('request_cpus', undefined)).toEqual({
      numJobs: 1,
      condorpyTemplateName: 'vanilla_base',
      attributes: { '+Project': '"a"' },
    })
    expect(set('+PROJECT', undefined).attributes).toEqual({})
    expect(set('num_jobs', undefined, parsed({ numJobs: 4 })).numJobs).toBe(1)
  })
  test('what cannot be set is refused as an option is', () => {
    expect(refused(condorAttributes.set(start, 'queue', 0))).toMatch(/^numJobs/)
    expect(refused(condorAttributes.set(start, '+TelestoToken', 'x'))).toContain('cannot be set')
    expect(refused(condorAttributes.set(start, 'initialdir', '..'))).toContain('must be a path inside')
  })
})

test('every typed option is a command of its own, and the page tells of both', () => {
  expect(new Set(Object.values(COMMANDS)).size).toBe(Object.keys(COMMANDS).length)
  const page = readFileSync(new URL('../../../docs/condor.md', import.meta.url), 'utf8')
  const [, options = '', commands = ''] = /\n## Options\n(.*)\n## From condor_submit\n(.*)$/s.exec(page) ?? []
  for (const [option, command] of Object.entries(COMMANDS)) {
    expect(options).toContain(`\`${option}\``)
    expect(commands).toMatch(new RegExp(`^\\| \`${command}\`.* \\| \`${option}\``, 'm'))
  }
  for (const option of Object.keys(condorOptions.shape)) expect(options).toContain(`\`${option}\``)
})
