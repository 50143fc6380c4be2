// What condor_submit, the schedd and a job itself make of a description: nothing here is believed that a real pool has not shown.
import { execFile, execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { afterAll, describe, expect, test, vi } from 'vitest'
import type { z } from 'zod'
import { groupsOf } from '../../adapters/condor/groups.js'
import { filesOf } from '../../adapters/condor/inputs.js'
import { REPORT_FILE } from '../../adapters/condor/report-file.js'
import { condorSpec } from '../../adapters/condor/spec.js'
import { describe as describeJob, type SubmitDescription, serialize } from '../../adapters/condor/submit-description.js'
import { NASTY } from '../adapters/condor/corpus.js'
import { becomeAccount } from './account.js'

becomeAccount(process.env.CONDOR_USER)

type Options = z.input<typeof condorSpec>
const top = mkdtempSync(join(tmpdir(), `telesto condor 'x' "z" été $(y) \\ `))
const app = join(top, 'app')
mkdirSync(app)
const program = (name: string, text: string): void => {
  writeFileSync(join(app, name), `#!/bin/sh\n${text}\n`)
  chmodSync(join(app, name), 0o755)
}
program('print', `for word; do printf '%s\\0' "$word"; done; env -0 >&2`)
program('show', 'pwd; ls; cat "$@"')
program('report', 'cd /; cat "$TELESTO_REPORT"')

const owner = process.env.LOGNAME
afterAll(() => {
  spawnSync('condor_rm', ['-constraint', `Owner == "${owner}" && regexp("^spec-", TelestoToken)`])
  rmSync(top, { recursive: true, force: true })
})

let count = 0
interface Made {
  readonly token: string
  readonly directory: string
  readonly description: SubmitDescription
}
/** A job in a directory of its own, as an adapter would make it. */
const made = async (options: Options, name = 'a job', report = false): Promise<Made> => {
  const token = `spec-${process.pid}-${++count}`
  const directory = join(top, token)
  const spec = condorSpec.parse({ executable: 'print', ...options })
  const description = describeJob(spec, { token, name, directory, report })
  mkdirSync(join(directory, '.telesto'), { recursive: true })
  for (const folder of description.folders) mkdirSync(join(directory, folder), { recursive: true })
  for (const { from, to, mode } of await filesOf(spec, [app])) {
    mkdirSync(join(directory, to, '..'), { recursive: true })
    writeFileSync(join(directory, to), readFileSync(from), { mode })
  }
  if (report) writeFileSync(join(directory, REPORT_FILE), 'report here', { mode: 0o600 })
  return { token, directory, description }
}
/** What condor_submit says of a file. */
const told = (text: string, input = '') => {
  const file = join(top, `${++count}.sub`)
  writeFileSync(file, text)
  return spawnSync('condor_submit', ['-terse', file], { encoding: 'utf8', cwd: top, input })
}
/** Submits a file; how many procs there are in which cluster. */
const submitted = (text: string, input?: string): readonly [first: string, last: string] => {
  const { stdout, stderr, status } = told(text, input)
  expect([status, stderr.replaceAll(/^(\n|WARNING: .*)$/gm, '').trim()]).toEqual([0, ''])
  return /^(\d+\.\d+) - (\d+\.\d+)\n$/.exec(stdout)?.slice(1) as unknown as readonly [string, string]
}
/** Submits many jobs as the adapter does. */
const submittedTogether = (jobs: readonly Made[]): (readonly [first: string, last: string])[] =>
  groupsOf(jobs).map(({ submitFile, lines }) => submitted(submitFile, `${lines.join('\n')}\n`))
const queue = (token: string, ...format: readonly string[]): string =>
  execFileSync('condor_q', ['-constraint', `TelestoToken == "${token}"`, ...format], { encoding: 'utf8' })

/** Waits until the jobs have left the queue. A job that is held never does: the reason is thrown. */
const ended = async (jobs: readonly Made[]): Promise<void> => {
  const tokens = jobs.map(({ token }) => `TelestoToken == "${token}"`).join(' || ')
  await vi.waitFor(
    () => {
      const left = execFileSync('condor_q', ['-constraint', tokens, '-af:j', 'JobStatus', 'HoldReason'], {
        encoding: 'utf8',
      })
      if (left !== '') throw new Error(left)
    },
    { timeout: 60_000, interval: 300 },
  )
}
/** Runs one job to its end. */
const ran = async (options: Options, name?: string, report?: boolean): Promise<Made> => {
  const job = await made(options, name, report)
  submitted(serialize(job.description))
  await ended([job])
  return job
}
const output = ({ directory }: Made, file = 'out'): string => readFileSync(join(directory, file), 'utf8')
const words = (text: string): string[] => text.split('\0').slice(0, -1)

describe.concurrent('arguments and variables', () => {
  const variables = Object.fromEntries(NASTY.map((text, index) => [`NASTY_${index}`, text]))
  test.each(['YES', 'NO'] as const)('each arrives byte for byte, where files are transferred: %s', async (transfer) => {
    const job = await ran({ arguments: NASTY, environment: variables, shouldTransferFiles: transfer })
    expect(words(output(job))).toEqual(NASTY)
    const environment = new Set(words(output(job, 'err')))
    for (const [name, value] of Object.entries(variables)) expect(environment).toContain(`${name}=${value}`)
  })
  test('whatever they are, and each job its own in one file for many', async () => {
    const text = fc
      .array(fc.oneof(fc.constantFrom(...`$()'"\\ \n\t;,#`, '$$(', '$(DOLLAR)', 'ENV('), fc.string({ unit: 'binary' })))
      .map((parts) => parts.join('').replaceAll(/[\0\r]/g, ''))
    const seed = Date.now()
    const lists = fc.sample(fc.array(text, { maxLength: 6 }), { numRuns: 40, seed })
    const jobs = await Promise.all(lists.map(async (list) => await made({ arguments: list })))
    submittedTogether(jobs)
    await ended(jobs)
    for (const [index, job] of jobs.entries()) expect(words(output(job)), `seed ${seed}`).toEqual(lists[index])
  }, 120_000)
  test("a text is HTCondor's own line, with the number of the proc within the job", async () => {
    const line = { arguments: '--seed $(Process) "x', numJobs: 2 }
    expect(told(serialize((await made(line)).description))).toMatchObject({ status: 1 })
    const own = await made({ arguments: `"--seed $(Process) $INT(Process,%03d) 'a b'"`, numJobs: 2 })
    const other = await made({ arguments: `"--seed $(ProcId) y 'c d'"`, numJobs: 2 })
    submittedTogether([other, own])
    await ended([own, other])
    expect([0, 1].map((proc) => words(output(own, `out.${proc}`)))).toEqual([
      ['--seed', '0', '000', 'a b'],
      ['--seed', '1', '001', 'a b'],
    ])
    expect(words(output(other, 'out.1'))).toEqual(['--seed', '1', 'y', 'c d'])
  })
  test('a very long list arrives', async () => {
    const long = Array.from({ length: 2000 }, (_, index) => `${index} `.repeat(20))
    expect(words(output(await ran({ arguments: long })))).toEqual(long)
  })
})

describe.concurrent('names and attributes', () => {
  const held = { attributes: { hold: true } } as const
  const carried = (name: string) => !/\p{Cc}|\$\$[([]|\$\(DOLLAR\)/u.test(name)
  test('a name is carried unchanged, or not at all', async () => {
    for (const name of [...NASTY, ' leading and trailing ', 'run {id}']) {
      const job = await made(held, name)
      submitted(serialize(job.description))
      const [{ JobBatchName }] = JSON.parse(queue(job.token, '-json')) as [{ readonly JobBatchName?: string }]
      expect(JobBatchName).toBe(carried(name) ? name : undefined)
    }
  })
  test('whatever an attribute is, it is one job with one proc, or refused', async () => {
    let refusedOnes = 0
    for (const text of NASTY) {
      const parsed = condorSpec.safeParse({ attributes: { any_macro: text } })
      if (!parsed.success) {
        expect(parsed.error.issues[0]?.path).toEqual(['attributes', 'any_macro'])
        refusedOnes++
        continue
      }
      const job = await made({ attributes: { ...held.attributes, any_macro: text } })
      const [first, last] = submitted(serialize(job.description))
      expect(last).toBe(first)
    }
    expect(refusedOnes).toBe(NASTY.filter((text) => /[^\P{Cc}\t]|\\\s*$/u.test(text)).length)
  })
  test.each([
    'executable',
    'arguments',
    'requirements',
    'rank',
    'requestCpus',
    'requestMemory',
    'requestDisk',
    'requestGpus',
    'periodicHold',
    'periodicRelease',
    'periodicRemove',
    'initialDir',
    'input',
    'output',
    'error',
    'log',
    'transferInputFiles',
    'transferOutputFiles',
    'transferOutputRemaps',
  ])('whatever text %s is, it is one job with one proc, or refused', async (option) => {
    const texts = [
      'a\nqueue 5',
      '$(x)',
      '$$(x) $(Process)',
      'a"b',
      "it's",
      'x; queue 5',
      '\\',
      'a\\b',
      'a\0b',
      'été 漢字',
    ]
    for (const text of texts) {
      const parsed = condorSpec.safeParse({ executable: '/bin/true', ...held, [option]: text })
      if (!parsed.success) {
        expect(parsed.error.issues[0]?.path[0]).toBe(option)
        continue
      }
      const token = `spec-${process.pid}-${++count}`
      const place = { token, name: 'a job', directory: join(top, token) }
      let description: SubmitDescription
      try {
        description = describeJob(parsed.data, place)
      } catch (error) {
        // In condor_submit's words: initialdir, transfer_input_files.
        expect(error).toMatchObject({ code: 'invalid_job' })
        expect(String(error).replaceAll('_', '').toLowerCase()).toContain(option.toLowerCase())
        continue
      }
      mkdirSync(join(place.directory, '.telesto'), { recursive: true })
      for (const folder of description.folders) mkdirSync(join(place.directory, folder), { recursive: true })
      const file = join(top, `${token}.sub`)
      writeFileSync(file, serialize(description))
      const said = await promisify(execFile)('condor_submit', ['-terse', file], { cwd: top }).catch(
        (failure: { readonly stderr: string }) => failure,
      )
      if ('stdout' in said && said.stdout !== '') expect(said.stdout).toMatch(/^(\d+\.0) - \1\n$/)
      else expect(said.stderr).toContain('ERROR')
    }
  })
  test('a list of texts is a list in the ClassAd, byte for byte', async () => {
    const job = await made({ attributes: { ...held.attributes, '+Texts': NASTY } })
    submitted(serialize(job.description))
    for (const [index, text] of NASTY.entries()) expect(queue(job.token, '-format', '%s', `Texts[${index}]`)).toBe(text)
  })
  test('the options are what condor_submit understands by them', async () => {
    const job = await made({
      ...held,
      requestCpus: 2,
      requestMemory: '2GB',
      requestDisk: 1024,
      requestGpus: 0,
      priority: 0,
      rank: 'Memory',
      requirements: 'Arch == "X86_64"',
      maxRetries: 0,
      periodicHold: false,
      periodicRelease: 'NumJobStarts < 3',
      periodicRemove: 'false',
      universe: 'vanilla',
      shouldTransferFiles: 'YES',
      whenToTransferOutput: 'ON_EXIT_OR_EVICT',
      transferOutputFiles: [],
      transferOutputRemaps: ['a = b'],
      attributes: { ...held.attributes, '+Project': '"flood"', notify_user: 'ada' },
    })
    submitted(serialize(job.description))
    const names = `RequestCpus RequestMemory RequestDisk JobPrio Rank JobMaxRetries PeriodicHold PeriodicRelease PeriodicRemove
      JobUniverse ShouldTransferFiles WhenToTransferOutput TransferOutput TransferOutputRemaps Project NotifyUser`
    const [ad] = JSON.parse(queue(job.token, '-json', '-attributes', names.trim().split(/\s+/).join())) as [object]
    expect(ad).toEqual({
      RequestCpus: 2,
      RequestMemory: 2048,
      RequestDisk: 1024,
      JobPrio: 0,
      Rank: '/Expr(Memory)/',
      JobMaxRetries: 0,
      PeriodicHold: false,
      PeriodicRelease: '/Expr(NumJobStarts < 3)/',
      PeriodicRemove: false,
      JobUniverse: 5,
      ShouldTransferFiles: 'YES',
      WhenToTransferOutput: 'ON_EXIT_OR_EVICT',
      TransferOutput: '',
      TransferOutputRemaps: 'a = b',
      Project: 'flood',
      NotifyUser: 'ada',
    })
  })
  test.each([
    [{ requirements: '((' }, /^ERROR: Parse error in expression: \n\tRequirements = /],
    [{ requestCpus: 'many' as string, rank: '(' }, /^ERROR: Parse error in expression: \n\tRank = /],
    [{ attributes: { universe: 'nope' } }, /^ERROR: I don't know about the 'nope' universe/],
    [{ executable: '/no/such/program' }, /^ERROR: Executable file \/no\/such\/program does not exist/],
  ])('what condor_submit does not understand it refuses, and says so: %j', async (options, words) => {
    const job = await made(options as Options)
    const { status, stderr } = told(serialize(job.description))
    expect(status).toBe(1)
    expect(stderr.trimStart()).toMatch(words)
  })
})

describe.concurrent('files', () => {
  test('travel with the job, whatever they are called, and keep their path', async () => {
    const names = ['a b.csv', `it's "été".csv`, '$(x) $y.csv', 'a\\"b\\c.csv', 'data/deep/100%;#.csv']
    for (const name of names) {
      mkdirSync(join(app, name, '..'), { recursive: true })
      writeFileSync(join(app, name), `content of ${name}\n`)
    }
    for (const shouldTransferFiles of ['YES', 'NO'] as const) {
      const job = await ran({
        executable: 'show',
        arguments: names,
        remoteInputFiles: [...names.slice(0, 4), 'data'],
        shouldTransferFiles,
      })
      expect(output(job)).toContain(names.map((name) => `content of ${name}\n`).join(''))
      expect(output(job).startsWith(`${job.directory}\n`)).toBe(shouldTransferFiles === 'NO')
    }
  })
  test('each proc gets its own, in a folder of its own', async () => {
    for (const proc of [0, 1]) writeFileSync(join(app, `in_${proc}`), `input ${proc}\n`)
    writeFileSync(join(app, 'params'), 'params\n')
    const job = await ran({
      executable: 'show',
      arguments: 'in_$(Process) -',
      input: 'params',
      numJobs: 2,
      initialDir: 'run_$(Process)',
      output: 'logs/out',
      transferInputFiles: 'in_$(Process)',
      shouldTransferFiles: 'YES',
    })
    for (const proc of [0, 1]) expect(output(job, `run_${proc}/logs/out`)).toContain(`input ${proc}\nparams\n`)
  })
  test('a template writes where Tethys has it, below the directory of the job; both event logs are written', async () => {
    const job = await ran({ condorpyTemplateName: 'vanilla_transfer_files', arguments: ['x'] }, 'my job; touch pwned')
    const [first] = /\d+/.exec(output(job, '.telesto/events.log').slice(4)) ?? []
    const cluster = Number(first)
    expect(words(output(job, `logs/my_job__touch_pwned.${cluster}.0.out`))).toEqual(['x'])
    for (const log of ['.telesto/events.log', `logs/my_job__touch_pwned.${cluster}.log`])
      expect(output(job, log)).toContain('Job terminated.')
    expect(existsSync(join(job.directory, 'pwned'))).toBe(false)
  })
})

describe.concurrent('the file of reports', () => {
  test.each<[string, Options]>([
    ['files are transferred', { shouldTransferFiles: 'YES' }],
    ['files are shared', { shouldTransferFiles: 'NO' }],
    ['HTCondor chooses, and files are shared', {}],
    ['HTCondor chooses, and files are transferred', { attributes: { '+FileSystemDomain': '"elsewhere"' } }],
    ['the job starts in a folder', { initialDir: 'run', shouldTransferFiles: 'YES' }],
    ['its environment has macros', { environment: { A: '$(x)\n' }, shouldTransferFiles: 'YES' }],
    [
      "its environment is condor_submit's own",
      { attributes: { environment: `"A='b c'"` }, shouldTransferFiles: 'YES' },
    ],
    ['it runs beside the schedd', { universe: 'local' }],
  ])('is found by the job where %s', async (_where, options) => {
    const job = await ran({ executable: 'report', ...options }, 'a job', true)
    const folder = options.initialDir === undefined ? '' : `${options.initialDir}/`
    expect(output(job, `${folder}out`)).toBe('report here')
  })
})

test('many jobs with programs of their own are one cluster, each with its own token', async () => {
  program('other', 'echo other')
  const jobs = [await made({ arguments: ['one'] }), await made({ executable: 'other', arguments: ['two'] })]
  const [[first, last]] = submittedTogether(jobs) as [readonly [string, string]]
  expect([first.split('.')[0], first.split('.')[1], last.split('.')[1]]).toEqual([last.split('.')[0], '0', '1'])
  await ended(jobs)
  expect(jobs.map((job) => output(job))).toEqual(['one\0', 'other\n'])
})
