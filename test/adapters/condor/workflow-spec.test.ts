import { describe, expect, test } from 'vitest'
import { CondorWorkflow, CondorWorkflowJobNode } from '../../../adapters/condor/workflow.js'
import { condorWorkflowSpec, workflowGraph } from '../../../adapters/condor/workflow-spec.js'
import { checkGraph, graphOf } from '../../../src/graph.js'

const job = { executable: '/bin/true' }
const issuesOf = (spec: unknown): string[] => {
  const { error } = condorWorkflowSpec.safeParse(spec)
  return (error?.issues ?? []).map(({ path, message }) => `${path.join('.')}: ${message}`)
}
const issues = (...nodes: object[]): string[] => issuesOf({ nodes })
const graph = (nodes: readonly object[]) => workflowGraph(condorWorkflowSpec.parse({ nodes }))
const node = (name: string, ...parents: string[]) => ({ name, job, parents })

describe('a workflow is refused', () => {
  test.each([
    ['two nodes of one name', [node('A'), node('B'), node('A')], 'nodes.2.name: There are two nodes of the name A'],
    [
      'a parent that is no node',
      [node('A', 'Z')],
      'nodes.0.parents: The node A has among its parents Z, which is no node',
    ],
    ['a node that is its own parent', [node('A', 'A')], 'nodes.0.parents: The node A has among its parents A, itself'],
    [
      'a child that is no node',
      [{ ...node('A'), children: ['Z'] }],
      'nodes.0.children: The node A has among its children Z, which is no node',
    ],
    ['no node', [], 'nodes: must have at least one node'],
    [
      'a JOB without a job',
      [{ name: 'A' }],
      'nodes.0.job: The node A is a JOB and needs a job, the options of a CONDOR job',
    ],
    [
      'a SPLICE without a file',
      [{ name: 'S', type: 'SPLICE' }],
      'nodes.0.file: The node S is a SPLICE and needs the file with its DAG',
    ],
    [
      'a SPLICE that is tried again',
      [{ name: 'S', type: 'SPLICE', file: 's.dag', retry: 0 }],
      'nodes.0.retry: The node S is a SPLICE, which cannot have retry',
    ],
    [
      'a second FINAL node',
      [
        { name: 'F', type: 'FINAL', job },
        { name: 'G', type: 'FINAL', job },
      ],
      'nodes.1.type: The node G is a second FINAL node beside F: there can be one',
    ],
    [
      'a FINAL node among the parents',
      [{ name: 'F', type: 'FINAL', job }, node('A', 'F')],
      'nodes.1.parents: The node A has among its parents F, which is the FINAL node',
    ],
    [
      'a pre-skip without a script',
      [{ ...node('A'), preSkip: 1 }],
      'nodes.0.preSkip: The node A has preSkip and no preScript: give both or none',
    ],
    [
      'a return value without abort-dag-on',
      [{ ...node('A'), abortDagOnReturnValue: 0 }],
      'nodes.0.abortDagOnReturnValue: The node A has abortDagOnReturnValue and no abortDagOn: give both or none',
    ],
    [
      'an end with 3, with which DAGMan asks to be started again',
      [{ ...node('A'), abortDagOn: 3 }],
      'nodes.0.abortDagOn: The node A would end DAGMan with 3, with which it asks to be started again: give another abortDagOnReturnValue',
    ],
    [
      'an exception to no retry',
      [{ ...node('A'), retryUnlessExitValue: 0 }],
      'nodes.0.retryUnlessExitValue: The node A has retryUnlessExitValue and no retry: give both or none',
    ],
    [
      'what only a POST script can know in a PRE script',
      [{ ...node('A'), preScript: 'a.sh', preScriptArgs: '$JOB $RETURN' }],
      'nodes.0.preScriptArgs: The node A has $RETURN among its preScriptArgs, which only a postScript knows',
    ],
  ])('%s', (_what, nodes, message) => expect(issues(...nodes)).toContain(message))

  test.each(['', 'a b', 'a+b', 'a\nb', 'a\0b', 'a"b', "a'b", 'a\\b', '$(x)', 'a/b', '-a', '#a', 'x'.repeat(129)])(
    'a node named %j',
    (name) => expect(issues(node(name))[0]).toMatch(/^nodes\.0\.name: must /),
  )
  test.each(['PARENT', 'child', 'All_Nodes'])('a node named %s, a word of DAGMan', (name) =>
    expect(issues(node(name))).toEqual([
      'nodes.0.name: must not be PARENT, CHILD or ALL_NODES, which are words of DAGMan',
    ]),
  )
  test.each([
    ['category', 'a b'],
    ['category', 'a\nMAXJOBS a 1'],
    ['dir', '../up'],
    ['dir', '/tmp'],
    ['dir', 'a"b'],
    ['dir', 'a\nb'],
    ['dir', 'a\\'],
    ['preScript', 'a\nJOB evil evil.sub'],
    ['preScript', '-rf'],
    ['postScript', 'up/../../x'],
    ['preScriptArgs', ['a\0b']],
    ['variables', { x: 'a\nqueue 1000' }],
    ['variables', { 'a b': '1' }],
    ['variables', { queue: '1' }],
    ['variables', { TelestoToken: 'x' }],
    ['variables', { '+TelestoWorkflow': 'x' }],
    ['variables', { a: '1', A: '2' }],
    ['priority', 2 ** 31],
    ['priority', 1.5],
    ['retry', -1],
    ['retry', 65_536],
    ['preSkip', 256],
    ['preSkip', 0],
    ['abortDagOnReturnValue', 256],
    ['job', { executable: 'a\nqueue 1000' }],
    ['oops', 1],
  ])('%s: %j', (field, value) => {
    const more = { preScript: 'pre.sh', abortDagOn: 1, [field]: value }
    const [found, ...others] = issues({ ...node('A'), ...more })
    expect(others).toEqual([])
    expect(found).toMatch(new RegExp(`^nodes\\.0(\\.${field}|: Unrecognized key: "${field}")`))
  })
  test.each([
    [{ maxJobs: { 'a b': 1 } }, /^maxJobs\.a b: /],
    [{ maxJobs: { a: 0 } }, /^maxJobs\.a: must be 1 or more/],
    [{ config: '../x' }, /^config: /],
    [{ config: { 'A B': 1 } }, /^config: /],
    [{ config: { A: 'x\ny' } }, /^config\.A: /],
    [{ remoteInputFiles: ['/etc/passwd'] }, /^remoteInputFiles\.0: must be a relative path/],
    [{ nodes: Array.from({ length: 10_001 }, (_, at) => node(`n${at}`)) }, /^nodes: must have at most 10000 nodes/],
  ])('%#', (more, message) => expect(issuesOf({ nodes: [node('A')], ...more })[0]).toMatch(message))
})

describe('a workflow is taken', () => {
  test('with every option, and 0 is a value', () => {
    const all = {
      ...node('A'),
      preScript: '/usr/bin/env',
      preScriptArgs: ['a b', "'", '$JOB', ''],
      postScript: 'post.sh',
      postScriptArgs: 'x $RETURN  y',
      variables: { size: 0, on: false, text: 'say "hi" \\ $(JOB)', '+Project': '"p"' },
      priority: 0,
      category: 'heavy',
      retry: 0,
      retryUnlessExitValue: 0,
      preSkip: 1,
      abortDagOn: 0,
      abortDagOnReturnValue: 0,
      dir: 'runs/a b',
      noop: true,
      done: true,
    }
    const { nodes, ...spec } = condorWorkflowSpec.parse({
      nodes: [all],
      maxJobs: { heavy: 2 },
      config: { DAGMAN_MAX_JOBS_IDLE: 0 },
    })
    expect(spec).toEqual({ maxJobs: { heavy: 2 }, config: { DAGMAN_MAX_JOBS_IDLE: '0' } })
    expect(nodes[0]).toMatchObject({
      ...all,
      job: { executable: '/bin/true', numJobs: 1 },
      postScriptArgs: ['x', '$RETURN', 'y'],
      variables: { size: '0', on: 'false', text: 'say "hi" \\ $(JOB)', '+Project': '"p"' },
    })
  })
  test('and parents are kept once, however they were told', () => {
    const nodes = [{ ...node('A'), children: ['B', 'C'] }, node('B', 'A', 'A'), node('C'), node('ü.1:@-_', 'B')]
    expect(graph(nodes)).toEqual([
      { name: 'A', parents: [] },
      { name: 'B', parents: ['A'] },
      { name: 'C', parents: ['A'] },
      { name: 'ü.1:@-_', parents: ['B'] },
    ])
  })
  test('and the FINAL node comes after all others', () => {
    expect(graph([{ name: 'F', type: 'FINAL', job }, node('A'), node('B', 'A'), node('C', 'A')])[0]).toEqual({
      name: 'F',
      parents: ['B', 'C'],
    })
  })
})

describe('nodes that wait for each other', () => {
  test('are refused with their path', () => {
    const nodes = graph([node('A'), node('B', 'A', 'D'), node('C', 'B'), node('D', 'C'), node('E', 'D')])
    expect(() => checkGraph(nodes)).toThrow(
      expect.objectContaining({
        code: 'parents_cycle',
        field: 'nodes',
        message: 'The node B would wait for itself: B → D → C → B.',
      }),
    )
  })
  test('are looked for once for each node and edge: a ladder of 10,000 nodes', () => {
    // Two nodes on each rung, each waiting for both of the one below: more paths than there are atoms.
    const ladder = Array.from({ length: 10_000 }, (_, at) => {
      const below = (Math.floor(at / 2) - 1) * 2
      return node(`n${at}`, ...(below < 0 ? [] : [`n${below}`, `n${below + 1}`]))
    })
    const nodes = graph(ladder)
    expect(() => checkGraph(nodes)).not.toThrow()
    expect(graphOf(nodes, []).at(-1)).toMatchObject({ name: 'n9999', level: 4999, part: null })
    const [bottom, ...others] = nodes
    const closed = [{ name: bottom?.name as string, parents: ['n9999'] }, ...others]
    expect(() => checkGraph(closed)).toThrow(/^The node n0 would wait for itself: n0 → n9999 → n9996 → .* → n2 → n0\.$/)
  })
})

describe('the builder', () => {
  test('makes plain data of nodes and their parents', () => {
    const workflow = new CondorWorkflow({ maxJobs: { heavy: 1 } })
    const a = new CondorWorkflowJobNode({ name: 'A', workflow, job })
    const b = new CondorWorkflowJobNode({ name: 'B', workflow, job, category: 'heavy', priority: 0 })
    const c = new CondorWorkflowJobNode({ name: 'C', workflow, job }).addParent(a).addParent(b)
    a.addChild(b)
    c.removeParent(a)
    workflow.addMaxJobsThrottle('light', 3)
    expect(workflow.numJobs).toBe(3)
    expect(workflow.nodes).toEqual([a, b, c])
    expect(workflow.getJob('B')).toBe(b)
    expect(workflow.getJob('Z')).toBeNull()
    expect([b.parentNodes, b.childrenNodes, b.parents, b.type, b.job]).toEqual([[a], [c], ['A'], 'JOB', job])
    const spec = workflow.toSpec()
    expect(structuredClone(spec)).toEqual({
      nodes: [
        { name: 'A', job },
        { name: 'B', job, category: 'heavy', priority: 0, parents: ['A'] },
        { name: 'C', job, parents: ['B'] },
      ],
      maxJobs: { heavy: 1, light: 3 },
    })
    expect(issuesOf(spec)).toEqual([])
  })
  test('keeps workflows apart', () => {
    const [one, other] = [new CondorWorkflow(), new CondorWorkflow()]
    const a = new CondorWorkflowJobNode({ name: 'A', workflow: one, job })
    const b = new CondorWorkflowJobNode({ name: 'B', workflow: other, job })
    expect(() => a.addParent(b)).toThrow('The nodes B and A are of different workflows.')
  })
})
