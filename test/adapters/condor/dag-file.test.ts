import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { dagFile, submitDagArguments, workflowFiles } from '../../../adapters/condor/dag-file.js'
import { nodeParts, parseNodeStatus } from '../../../adapters/condor/node-status.js'
import { type CondorWorkflowOptions, condorWorkflowSpec } from '../../../adapters/condor/workflow-spec.js'

const job = { executable: '/bin/true' }
const spec = (options: CondorWorkflowOptions) => condorWorkflowSpec.parse(options)
const place = { token: 'tok', name: 'flood', directory: '/srv/jobs/7/1' }
const filesOf = (options: CondorWorkflowOptions, at = place) => workflowFiles(spec(options), at)
const lines = (...nodes: CondorWorkflowOptions['nodes']): string[] => dagFile(spec({ nodes })).split('\n')

describe('the DAG file', () => {
  test('has every option on a line of its own, and 0 is a value', () => {
    const text = dagFile(
      spec({
        nodes: [
          {
            name: 'B',
            job,
            parents: ['A', 'S'],
            preScript: 'bin/pre.sh',
            preScriptArgs: ['a b', '$RETRY', '$JOB', '$RETRY'],
            postScript: '/usr/bin/test',
            postScriptArgs: '$RETURN -eq 0',
            preSkip: 7,
            variables: { size: 0, said: 'say "hi" \\ \\"', '+Project': '"flood"' },
            priority: 0,
            category: 'heavy',
            retry: 0,
            retryUnlessExitValue: 0,
            abortDagOn: 0,
            abortDagOnReturnValue: 0,
            dir: 'runs/./b c/',
            noop: true,
            done: true,
          },
          { name: 'A', job, retry: 2, abortDagOn: 5, dir: '.' },
          { name: 'S', type: 'SPLICE', file: 'sub/inner.dag', dir: 'sub', children: ['D'] },
          { name: 'D', type: 'SUBDAG', file: 'my inner.dag', noop: true, parents: ['A'] },
          { name: 'F', type: 'FINAL', job },
        ],
        maxJobs: { heavy: 2 },
        config: { DAGMAN_MAX_JOBS_IDLE: 5 },
      }),
    )
    expect(text).toBe(`CONFIG .telesto/dag/dagman.config
JOB B ../../.telesto/dag/0.sub DIR "runs/b c/" NOOP DONE
JOB A .telesto/dag/1.sub DIR .
SPLICE S inner.dag DIR sub
SUBDAG EXTERNAL D "my inner.dag" NOOP
FINAL F .telesto/dag/4.sub
VARS B size="0"
VARS B said="say \\"hi\\" \\\\ \\\\\\""
VARS B +Project="\\"flood\\""
SCRIPT PRE B /bin/sh ../../.telesto/dag/0.pre $RETRY $JOB
SCRIPT POST B /bin/sh ../../.telesto/dag/0.post $RETURN
PRE_SKIP B 7
CATEGORY B heavy
PRIORITY B 0
RETRY B 0 UNLESS-EXIT 0
ABORT-DAG-ON B 0 RETURN 0
RETRY A 2
ABORT-DAG-ON A 5
PARENT A S CHILD B
PARENT A S CHILD D
MAXJOBS heavy 2
NODE_STATUS_FILE .telesto/dag/node.status 1 ALWAYS-UPDATE
JOBSTATE_LOG .telesto/dag/jobstate.log
`)
  })
  test('never has several parents and several children on one line, for which DAGMan adds nodes of its own', () => {
    const all = lines(
      { name: 'A', job },
      { name: 'B', job },
      { name: 'C', job, parents: ['A', 'B'] },
      { name: 'D', job, parents: ['A', 'B'] },
    )
    expect(all.filter((line) => line.startsWith('PARENT'))).toEqual(['PARENT A B CHILD C', 'PARENT A B CHILD D'])
  })
})

describe('the files of a workflow', () => {
  test('are numbered: no name is made a path', () => {
    const { files, folders } = filesOf({
      nodes: [
        { name: 'A', job },
        { name: '..', job },
      ].map((node, at) => ({ ...node, name: `n${at}.@:` })),
    })
    expect([...files.keys()]).toEqual(
      ['workflow.dag', 'node.status', '0.sub', '1.sub', 'logs.json'].map((file) => `.telesto/dag/${file}`),
    )
    expect(folders).toEqual([])
  })
  test('a node submits a job of the workflow, which is not taken for the workflow', () => {
    const { files, folders } = filesOf(
      {
        nodes: [
          {
            name: 'A',
            dir: 'runs/a',
            job: { executable: 'model.sh', numJobs: 2, arguments: '$(size)', initialDir: 'deep' },
          },
        ],
      },
      { ...place, batch: 'b1', report: true } as typeof place,
    )
    const text = files.get('.telesto/dag/0.sub') ?? ''
    expect(text).not.toMatch(/TelestoToken|TelestoBatch|JobBatchName|events\.log/)
    for (const line of [
      'executable = /srv/jobs/7/1/model.sh',
      'arguments = $(size)',
      'initialdir = /srv/jobs/7/1/runs/a/deep',
      'output = /srv/jobs/7/1/.telesto/dag/0.$(Step).out',
      'error = /srv/jobs/7/1/.telesto/dag/0.$(Step).err',
      'log = /srv/jobs/7/1/.telesto/dag/0.log',
      'MY.TelestoWorkflow = "tok"',
      'queue 2',
    ])
      expect(text.split('\n')).toContain(line)
    expect(folders).toEqual(['runs/a', 'runs/a/deep'])
  })
  test('a node keeps what it names itself', () => {
    const { files } = filesOf({
      nodes: [{ name: 'A', job: { ...job, output: 'a.out', error: 'a.err', log: 'a.log' } }],
    })
    const text = files.get('.telesto/dag/0.sub')
    expect(text).toContain('output = a.out\nerror = a.err\nlog = a.log\n')
    expect(text).not.toContain('dagman_log')
  })
  test('the settings of DAGMan are its configuration', () => {
    const { files } = filesOf({ nodes: [{ name: 'A', job }], config: { DAGMAN_MAX_JOBS_IDLE: 0, DAGMAN_X: true } })
    expect(files.get('.telesto/dag/dagman.config')).toBe('DAGMAN_MAX_JOBS_IDLE = 0\nDAGMAN_X = true\n')
  })
  test('say of every node that it is not ready, as long as DAGMan says nothing', () => {
    const nodes = [
      { name: 'ü', job },
      { name: 'B', job, done: true },
      { name: 'S', type: 'SPLICE' as const, file: 's.dag' },
    ]
    const text = filesOf({ nodes }).files.get('.telesto/dag/node.status') ?? ''
    expect(nodeParts(parseNodeStatus(text), new Map(), [])).toEqual([
      { name: 'ü', state: 'queued', nativeState: 'STATUS_NOT_READY' },
      { name: 'B', state: 'succeeded', nativeState: 'STATUS_DONE' },
    ])
  })
  test.each([
    ['spaces', ['a b', ' ', '']],
    ['quotes', ["it's", '"q"', "'", '\\', '\\\\']],
    ['what a shell would do', ['$HOME', '`id`', '$(id)', '*', '~', ';', '&&', '|', '>x', '#', '!']],
    ['a line break and UTF-8', ['a\nb', 'ü€😀']],
    ['options', ['-n', '--', '-']],
  ])('a script is given its arguments byte for byte: %s', (_what, args) => {
    const directory = mkdtempSync(join(tmpdir(), 'telesto dag '))
    try {
      const node = { name: 'A', job, postScript: '/usr/bin/printf', postScriptArgs: ['%s\\0', ...args, '$return'] }
      const { files } = filesOf({ nodes: [node] }, { ...place, directory })
      const text = files.get('.telesto/dag/0.post')?.replace(/^exec >>.*$/m, '') ?? ''
      const { stdout } = spawnSync('/bin/sh', ['-c', text, 'post', '42'], { cwd: directory, encoding: 'utf8' })
      expect(stdout).toBe([...args, '42', ''].join('\0'))
    } finally {
      rmSync(directory, { recursive: true })
    }
  })
})

describe('condor_submit_dag', () => {
  test('is told where to log, and which exit codes of DAGMan are an end', () => {
    const nodes = [
      { name: 'A', job, abortDagOn: 2 },
      { name: 'B', job, abortDagOn: 9 },
      { name: 'C', job, abortDagOn: 1, abortDagOnReturnValue: 44 },
      { name: 'D', job, abortDagOn: -9 },
    ]
    expect(submitDagArguments(spec({ nodes }), place)).toEqual([
      '-update_submit',
      '-autorescue',
      '1',
      '-append',
      'log = .telesto/events.log',
      '-append',
      'MY.JobBatchName = "flood"',
      '-append',
      'on_exit_remove = ExitSignal =?= 11 || (ExitCode =!= UNDEFINED && ExitCode >= 0 && ExitCode <= 2) || ExitCode =?= 9 || ExitCode =?= 44 || ExitCode =?= 247',
      '.telesto/dag/workflow.dag',
    ])
    const plain = spec({ nodes: [{ name: 'A', job }] })
    expect(submitDagArguments(plain, { ...place, name: 'a "b" $(c)' }).at(-2)).toBe(
      'MY.JobBatchName = "a \\"b\\" $(DOLLAR)(c)"',
    )
    expect(submitDagArguments(plain, { ...place, name: 'two\nlines' })).toHaveLength(6)
  })
})
