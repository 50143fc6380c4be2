import { describe, expect, test } from 'vitest'
import type { z } from 'zod'
import { REPORT_FILE } from '../../../adapters/condor/report-file.js'
import { condorSpec } from '../../../adapters/condor/spec.js'
import { describe as describeJob, type JobPlace, serialize } from '../../../adapters/condor/submit-description.js'
import { SchedulerError } from '../../../src/adapter.js'
import { NASTY } from './corpus.js'
import { wordsOf } from './language.js'

const PLACE: JobPlace = { token: 'tok-1', name: 'a job', directory: '/home/ada/telesto/1' }
const described = (options: z.input<typeof condorSpec>, place: Partial<JobPlace> = {}) =>
  describeJob(condorSpec.parse({ executable: '/bin/true', ...options }), { ...PLACE, ...place })
const commands = (options: z.input<typeof condorSpec>, place: Partial<JobPlace> = {}) =>
  Object.fromEntries(described(options, place).commands)
const refused = (options: z.input<typeof condorSpec>, place: Partial<JobPlace> = {}): string => {
  try {
    described(options, place)
  } catch (error) {
    if (error instanceof SchedulerError && error.code === 'invalid_job') return error.message
    throw error
  }
  return 'accepted'
}

describe('a job of one program', () => {
  test('is this, and nothing else', () => {
    expect(serialize(described({ arguments: ['a b'] }))).toBe(`executable = /bin/true
arguments = "'a b'"
initialdir = /home/ada/telesto/1
output = out
error = err
log = /home/ada/telesto/1/.telesto/events.log
MY.JobBatchName = "a job"
MY.TelestoToken = "tok-1"
queue 1
`)
  })
  test('carries the batch that hands it over', () => {
    expect(commands({}, { batch: 'b-1' })).toMatchObject({ 'MY.TelestoBatch': '"b-1"' })
  })
  test('that says nowhere what is to be run is refused, but a container needs no program', () => {
    expect(refused({ executable: undefined })).toContain("setAttribute('executable'")
    expect(refused({ executable: undefined, attributes: { executable: '' } })).toContain('has no executable')
    expect(
      commands({ executable: undefined, universe: 'docker', attributes: { docker_image: 'x' } }),
    ).not.toHaveProperty('executable')
  })
})

describe('precedence', () => {
  const template = 'vanilla_transfer_files'
  test('an attribute is over the template, an option is over the attribute', () => {
    expect(commands({ condorpyTemplateName: template }).should_transfer_files).toBe('YES')
    const attributes = { ShouldTransferFiles: 'NO', RequestCpus: 3, request_memory: 5 }
    expect(commands({ condorpyTemplateName: template, attributes })).toMatchObject({
      should_transfer_files: 'NO',
      request_cpus: '3',
      request_memory: '5',
    })
    expect(commands({ attributes, requestCpus: 4, shouldTransferFiles: 'IF_NEEDED' })).toMatchObject({
      should_transfer_files: 'IF_NEEDED',
      request_cpus: '4',
      request_memory: '5',
    })
  })
  test('an empty text takes away what the template says', () => {
    expect(commands({ condorpyTemplateName: template, attributes: { when_to_transfer_output: '' } })).toMatchObject({
      when_to_transfer_output: '',
    })
  })
})

describe('values', () => {
  test('are written as condor_submit takes them, 0 and false too', () => {
    const attributes = {
      a: 0,
      b: false,
      c: true,
      d: '',
      e: 1.5,
      f: ['x', 'y z'],
      f_remaps: ['a = b', 'c = d'],
      '+List': ['x', 'y"'],
      '+Number': 0,
      '+Text': '"flood"',
    }
    expect(commands({ attributes, priority: 0, requestGpus: 0, periodicHold: false })).toMatchObject({
      a: '0',
      b: 'false',
      c: 'true',
      d: '',
      e: '1.5',
      f: 'x, y z',
      f_remaps: '"a = b; c = d"',
      'MY.List': '{"x", "y\\""}',
      'MY.Number': '0',
      'MY.Text': '"flood"',
      priority: '0',
      request_gpus: '0',
      periodic_hold: 'false',
    })
    expect(commands({ transferOutputFiles: [] }).transfer_output_files).toBe('""')
  })
  test.each(NASTY.map((text) => [text]))('%j is an argument, and part of a variable, without being a line', (text) => {
    const all = described({ arguments: [text, 'b'], environment: { A: text } }).commands
    const words = (command: string, attribute: string) => {
      const found = [...all].find(([name]) => name === command || name === attribute)
      return wordsOf(found as [string, string])
    }
    expect(words('arguments', 'MY.Arguments')).toEqual([text, 'b'])
    expect(words('environment', 'MY.Environment')).toEqual([`A=${text}`])
  })
  test("a text is HTCondor's own line; the number of a proc is that within the job", () => {
    const line = '--seed $(Process) $INT(ProcId,%03d) $(Cluster) $(my_process) $$(Memory)'
    expect(commands({ arguments: line, numJobs: 3 }).arguments).toBe(
      '--seed $(Step) $INT(Step,%03d) $(Cluster) $(my_process) $$(Memory)',
    )
    expect(commands({ arguments: ['$(Process)'] })).toMatchObject({ 'MY.Arguments': `strcat("'$","(Process)'")` })
  })
  test('whatever is set, each command is one line, and queue comes last and once', () => {
    for (const text of NASTY) {
      const attributes = { any: text, '+Any': text }
      const parsed = condorSpec.safeParse({
        executable: '/bin/true',
        attributes,
        arguments: [text],
        environment: { A: text },
      })
      if (!parsed.success) continue
      const lines = serialize(describeJob(parsed.data, { ...PLACE, name: text })).split('\n')
      expect(lines.pop()).toBe('')
      expect(lines.pop()).toBe('queue 1')
      for (const line of lines) {
        expect(line).toMatch(/^(MY\.)?\w+ = /)
        expect(line.trimEnd()).not.toMatch(/\\$/)
      }
    }
  })
})

describe('the name', () => {
  test.each([
    ['a job', '"a job"'],
    ['$HOME "x" \\', '"$HOME \\"x\\" \\"'],
    ['\\"', '"\\\\""'],
    ['run $(Process)', '"run $(DOLLAR)(Process)"'],
    ['queue 1000', '"queue 1000"'],
    ['', '""'],
  ])('%j is the name of the batch', (name, line) => {
    expect(commands({}, { name })['MY.JobBatchName']).toBe(line)
  })
  test.each(['$$(Memory)', '$(DOLLAR)', '\ud800'])('%j cannot be carried, and is none', (name) => {
    expect(commands({}, { name })).not.toHaveProperty('MY.JobBatchName')
  })
  test('with a control character it is none, and one of your own is left alone', () => {
    expect(commands({}, { name: 'a\nqueue 1000' })).not.toHaveProperty('MY.JobBatchName')
    expect(commands({ attributes: { batch_name: 'mine' } })).toMatchObject({ batch_name: 'mine' })
    expect(commands({ attributes: { batch_name: 'mine' } })).not.toHaveProperty('MY.JobBatchName')
  })
  test.each([
    ['../../etc/passwd', '_._.._etc_passwd'],
    ['my job; touch pwned', 'my_job__touch_pwned'],
    ['$(x)', '__x_'],
    ['-n', '_n'],
    ['  ', '__'],
    ['été 12', 'été_12'],
    ['é'.repeat(100), 'é'.repeat(60)],
  ])('%j is %j in the names of the files of a template', (name, file) => {
    const all = commands({ condorpyTemplateName: 'base' }, { name })
    expect(all).toMatchObject({ output: `logs/${file}.$(cluster).$(Step).out`, initialdir: PLACE.directory })
    expect(all).not.toHaveProperty('job_name')
    expect(commands({ attributes: { comment: '$(Job_Name)' } }, { name })).toMatchObject({ job_name: file })
  })
})

describe('folders and files', () => {
  test('a template writes to logs; folders of procs are all made', () => {
    expect(described({ condorpyTemplateName: 'base' }).folders).toEqual(['logs'])
    const many = described({ numJobs: 2, initialDir: 'run$(Process)', output: 'a/b/out', attributes: { x: 'y' } })
    expect(many.folders).toEqual(['run0', 'run1', 'run0/a/b', 'run1/a/b'])
    expect(many.commands.get('initialdir')).toBe('/home/ada/telesto/1/run$(Step)')
    const each = described({
      numJobs: 10_000,
      initialDir: 'run$(Process)',
      output: 'a$(ProcId)/out',
      error: '/dev/null',
    })
    expect([each.folders.length, each.folders.at(-1)]).toEqual([20_000, 'run9999/a9999'])
    expect(described({ output: '$(where)/out', attributes: { where: 'x/$(deep)', deep: 'y' } }).folders).toEqual([
      'x/y',
    ])
  })
  test('each proc has its own output by default', () => {
    expect(commands({ numJobs: 2 })).toMatchObject({ output: 'out.$(Step)', error: 'err.$(Step)' })
    expect(commands({ output: '/dev/null' }).output).toBe('/dev/null')
  })
  test.each([
    [{ output: '$(up)/x', attributes: { up: '../..' } }, 'output: ../../x must be a path inside'],
    [{ error: '$(root)x', attributes: { root: '/' } }, 'error: /x must be a path inside'],
    [{ log: '.telesto/events.log' }, 'not in .telesto'],
    [{ initialDir: '.telesto' }, 'not in .telesto'],
    [{ output: '$(Cluster)/out' }, 'only $(Process) and macros of your own'],
    [{ output: '$(a)/out', attributes: { a: '$(b)', b: '$(a)' } }, 'refers to itself'],
    [{ transferInputFiles: ['../input_1'] }, 'Its input files are there: write input_1'],
    [{ transferInputFiles: 'a, ../../b' }, 'write b'],
    [{ input: '.telesto/telesto-report' }, 'input: '],
  ])('%j is refused', (options, why) => {
    expect(refused(options)).toContain(why)
  })
  test('a directory that condor_submit cannot be told is refused by name', () => {
    expect(refused({}, { directory: '/a,b' })).toContain('"/a,b": it holds a comma')
  })
  test('a log of your own is written beside the one of Telesto', () => {
    const events = `${PLACE.directory}/.telesto/events.log`
    expect(commands({ log: 'my.log' })).toMatchObject({ log: 'my.log', dagman_log: events })
    expect(commands({ attributes: { log: '' } })).toMatchObject({ log: events })
    expect(commands({ attributes: { log: '' } })).not.toHaveProperty('dagman_log')
  })
  test('a relative executable is in the directory, an absolute one where it says', () => {
    expect(commands({ executable: './bin/../model $x.sh' }).executable).toBe('/home/ada/telesto/1/model $x.sh')
    expect(commands({ executable: '$(x)' }).executable).toBe('/home/ada/telesto/1/$(DOLLAR)(x)')
    expect(commands({ executable: 'python3', transferExecutable: false }).executable).toBe('python3')
  })
})

describe('what goes to the machine that runs the job', () => {
  const remoteInputFiles = ['model.sh', 'nile.csv', '/srv/app/basins.csv']
  test('is all remote input files but the executable', () => {
    const all = commands({ executable: 'model.sh', remoteInputFiles })
    expect(all.transfer_input_files).toBe('nile.csv, basins.csv')
    expect(all).not.toHaveProperty('preserve_relative_paths')
  })
  test('keeps its path', () => {
    expect(commands({ remoteInputFiles: ['data/a', './b/'] })).toMatchObject({
      transfer_input_files: 'data/a, b',
      preserve_relative_paths: 'true',
    })
    const attributes = { preserve_relative_paths: false }
    expect(commands({ remoteInputFiles: ['data/a'], attributes }).preserve_relative_paths).toBe('false')
  })
  test('is what the job says where it says so, and none where nothing is transferred', () => {
    expect(commands({ remoteInputFiles, transferInputFiles: ['nile.csv'] }).transfer_input_files).toBe('nile.csv')
    expect(commands({ remoteInputFiles, transferInputFiles: [] }).transfer_input_files).toBe('')
    expect(commands({ transferInputFiles: 'in_$(Process).csv, https://x/y, /data/z' }).transfer_input_files).toBe(
      'in_$(Step).csv, https://x/y, /data/z',
    )
    expect(commands({ remoteInputFiles, shouldTransferFiles: 'NO' })).not.toHaveProperty('transfer_input_files')
  })
  test('is found from a folder in which the procs start', () => {
    expect(commands({ initialDir: 'run', remoteInputFiles: ['a'], input: 'b' })).toMatchObject({
      transfer_input_files: '/home/ada/telesto/1/a',
      input: '/home/ada/telesto/1/b',
    })
  })
})

describe('where a job may report to', () => {
  const here = `${PLACE.directory}/${REPORT_FILE}`
  const place = { report: true }
  test('is not told where there is no such file', () => {
    expect(commands({})).not.toHaveProperty('environment')
    expect(commands({})).not.toHaveProperty('transfer_input_files')
  })
  test('is the file itself where nothing is transferred', () => {
    for (const options of [{ shouldTransferFiles: 'NO' }, { universe: 'local' }] as const)
      expect(commands(options, place).environment).toBe(`"'TELESTO_REPORT=${here}'"`)
    const strange = { report: true, directory: "/it's $(x) été" }
    expect(wordsOf(['MY.Environment', commands({}, strange)['MY.Environment'] as string])).toEqual([
      `TELESTO_REPORT=/it's $(x) été/${REPORT_FILE}`,
    ])
  })
  test('travels with the job, and is named where it will be', () => {
    expect(commands({ shouldTransferFiles: 'YES', environment: { A: 'b' } }, place)).toMatchObject({
      environment: `"'A=b' TELESTO_REPORT=$$(CondorScratchDir)/telesto-report"`,
      transfer_input_files: here,
    })
    expect(commands({}, place).environment).toMatch(
      /^"TELESTO_REPORT=\$\$\(CondorScratchDir\)\/\$\$\(\[ifThenElse\(MY.FileSystemDomain=\?=TARGET.FileSystemDomain,""(\.\.\/)+home\/ada\/telesto\/1\/.telesto\/telesto-report"",""telesto-report""\)\]\)"$/,
    )
    const value = '$(x)'
    expect(commands({ shouldTransferFiles: 'YES', environment: { A: value } }, place)['MY.Environment']).toBe(
      `strcat(strcat("'A=$","(x)'")," TELESTO_REPORT=$$(CondorScratchDir)/telesto-report")`,
    )
  })
  test("is added to a line of condor_submit's own", () => {
    const told = (environment: string) =>
      commands({ shouldTransferFiles: 'NO', attributes: { environment } }, place).environment
    expect(told('A=b;C=d')).toBe(`A=b;C=d;TELESTO_REPORT=${here}`)
    expect(told(`"A=b 'C=d e'"`)).toBe(`"A=b 'C=d e' 'TELESTO_REPORT=${here}'"`)
    expect(told('')).toBe(`"'TELESTO_REPORT=${here}'"`)
  })
})
