import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { workflowFiles } from '../../../adapters/condor/dag-file.js'
import { remoteOn } from '../../../adapters/condor/remote.js'
import { condorWorkflowSpec } from '../../../adapters/condor/workflow-spec.js'
import { nodeJobsOf, WORKFLOW_FILES, workflowFacts, workflowLines } from '../../../adapters/condor/workflow-status.js'
import { localTransport } from '../../../src/transport/local.js'

const root = () => {
  const folder = mkdtempSync(join(tmpdir(), "telesto dag's "))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return folder
}
const recorded = (file: string) => new URL(`recorded/${file}`, import.meta.url)
const refs = (folder: string, ...tokens: string[]) =>
  tokens.map((token, at) => ({
    token,
    jobType: 'CONDORWORKFLOW',
    nativeId: `${at + 1}.0`,
    workdir: join(folder, token),
  }))
const dagOf = (folder: string, token: string): string => {
  const dag = join(folder, token, '.telesto', 'dag')
  mkdirSync(dag, { recursive: true })
  return dag
}
const ask = async (jobs: ReturnType<typeof refs>) => {
  const script = `${WORKFLOW_FILES}while IFS=$tab read -r token dir; do workflow "$token" "$dir" over; done\nover 0\n`
  const signal = AbortSignal.timeout(20_000)
  const told = await remoteOn(localTransport())('test', script, { stdin: workflowLines(jobs), signal })
  expect([told.code, told.stderr]).toEqual([0, ''])
  return { told, facts: jobs.map((job) => workflowFacts(told, job, nodeJobsOf([]))) }
}

test('what DAGMan wrote arrives as it was, without what says nothing', async () => {
  const folder = root()
  for (const name of ['failed', 'names', 'removed']) {
    const dag = dagOf(folder, name)
    cpSync(recorded(`${name}.status`), join(dag, 'node.status'))
    cpSync(recorded(`${name}.jobstate`), join(dag, 'jobstate.log'))
  }
  const log = '11/21/26 17:33:21 ERROR: x.dag (line 2): Unknown Job Y\n11/21/26 17:33:21 DAGMAN_ON_ERROR setting: 0\n'
  writeFileSync(join(dagOf(folder, 'failed'), 'workflow.dag.dagman.out'), log)
  const jobs = [
    ...refs(folder, 'failed', 'names', 'removed', 'nothing'),
    ...refs(folder, 'other').map((job) => ({ ...job, jobType: 'CONDOR' })),
  ]
  const { told, facts } = await ask(jobs)
  expect(facts.map(({ parts }) => parts?.map(({ name, state }) => `${name} ${state}`).join(', '))).toEqual([
    'A succeeded, B failed, C succeeded, D cancelled',
    'vars succeeded, ü succeeded, noop succeeded, done succeeded, fin succeeded',
    'A cancelled, B queued, Z succeeded',
    undefined,
    undefined,
  ])
  expect(facts.map(({ errors }) => errors)).toEqual(['ERROR: x.dag (line 2): Unknown Job Y', '', '', '', ''])
  expect(facts[0]?.parts?.[1]).toMatchObject({
    nativeId: '38',
    exitCode: 3,
    message: expect.stringMatching(/status 3/),
  })
  expect(told.sections.map(({ text }) => text).join('')).not.toMatch(/RetryCount|NodesTotal|= "";/)
})

test('before DAGMan has written, all nodes are queued', async () => {
  const folder = root()
  const spec = condorWorkflowSpec.parse({
    nodes: [
      { name: 'ü', noop: true },
      { name: 'B', noop: true, done: true },
    ],
  })
  const { files } = workflowFiles(spec, { token: 'new', name: 'new', directory: join(folder, 'new') })
  writeFileSync(join(dagOf(folder, 'new'), 'node.status'), files.get('.telesto/dag/node.status') ?? '')
  const { facts } = await ask(refs(folder, 'new'))
  expect(facts[0]?.parts?.map(({ name, state }) => [name, state])).toEqual([
    ['ü', 'queued'],
    ['B', 'succeeded'],
  ])
})

test('an answer is bounded: of a file that is too long nothing is told, of many workflows those that fit', async () => {
  const folder = root()
  const status = (nodes: number) =>
    `${Array.from({ length: nodes }, (_, at) => `[\n  Type = "NodeStatus";\n  Node = "node-${at}";\n  NodeStatus = 5; /* "STATUS_DONE" */\n]\n`).join('')}[\n  Type = "StatusEnd";\n]\n`
  writeFileSync(join(dagOf(folder, 'endless'), 'node.status'), status(60_000))
  const long = status(30_000)
  for (const token of ['a', 'b', 'c', 'd', 'e']) writeFileSync(join(dagOf(folder, token), 'node.status'), long)
  expect((await ask(refs(folder, 'endless'))).facts[0]?.parts).toBeUndefined()
  const { told, facts } = await ask(refs(folder, 'a', 'b', 'c', 'd', 'e'))
  expect(facts.map(({ parts }) => parts?.length)).toEqual([30_000, 30_000, 30_000, 30_000, undefined])
  expect(told.sections.reduce((sum, { text }) => sum + text.length, 0)).toBeLessThan(12_000_000)
})
