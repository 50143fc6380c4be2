import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { startPortal } from '../support.js'

const root = path.resolve(import.meta.dirname, '../../..')
const run = promisify(execFile)
const node = async (...args: readonly string[]): Promise<{ readonly stdout: string; readonly stderr: string }> =>
  await run(process.execPath, [...args]).catch((error: { stdout: string; stderr: string }) => error)

/** A folder inside the package, so that what lies in it finds the package's modules, as a user's project does. */
const folder = async (): Promise<string> => {
  const builds = path.join(root, 'dist', 'test')
  await mkdir(builds, { recursive: true })
  const made = await mkdtemp(path.join(builds, 'client-'))
  onTestFinished(async () => await rm(made, { recursive: true, force: true }))
  return made
}

/** Under the compiler options of this repository, changed by `options`. */
const compile = async (directory: string, file: string, options: object): Promise<void> => {
  const config = path.join(directory, `${file}.json`)
  const own = { rootDir: directory, lib: ['es2024', 'dom'], allowImportingTsExtensions: false }
  await writeFile(
    config,
    JSON.stringify({
      extends: path.join(root, 'tsconfig.json'),
      compilerOptions: { ...own, ...options },
      include: [file],
    }),
  )
  const { stdout } = await node(path.join(root, 'node_modules/typescript/bin/tsc'), '-p', config)
  expect(stdout).toBe('')
}

/** What a user of the client writes. Each line that TypeScript must refuse says so. */
const PROGRAM = `
import { ok } from '@oazapfts/runtime'
import * as telesto from './client.js'

const [origin = '', id = '', running = '', token = ''] = process.argv.slice(2)
const as = (user: string) => ({ headers: { 'x-user': user } })
telesto.defaults.baseUrl = origin + telesto.servers.server1

const job: telesto.Job = await ok(telesto.getJob(Number(id), as('ada')))
const listed = await ok(telesto.listJobs({ status: ['Pending', 'RUN'], tag: { basin: 'nile' }, sort: '-id', limit: 5 }, as('ada')))
const names: string[] = listed.jobs.map(({ name }) => name)
const other = await ok(telesto.listJobs({ tag: { basin: 'rhine' } }, as('ada')))
const started = await ok(telesto.executeJob(job.id, as('ada')))
const reported = await ok(telesto.reportJob(Number(running), { status: 'Running', progress: 0.5 }, {}, { headers: { authorization: \`Bearer \${token}\` } }))
const poked = await ok(telesto.pokeJob(job.id, { delay: 15 }))
const logs = await ok(telesto.listJobLogs(job.id, as('ada')))
const results = await ok(telesto.listJobResults(Number(running), as('ada')))
const labelled = await ok(telesto.updateJobStatus(job.id, { status: 'Calibrating' }, as('ada')))
const stopped = await ok(telesto.stopJob(job.id, as('ada')))
const history = await ok(telesto.getJobHistory(job.id, { limit: 50 }, as('ada')))
const twice = await telesto.stopJob(job.id, as('ada'))
const foreign = await telesto.getJob(job.id, as('bob'))
const nobody = await telesto.listJobs()
const deleted = await ok(telesto.deleteJob(job.id, { stop: true }, as('ada')))

// @ts-expect-error an order that there is not
void (() => telesto.listJobs({ sort: 'owner' }))
// @ts-expect-error a state of a node that there is not
void (() => telesto.reportJob(1, { nodes: { prepare: 'exploded' } }))
// @ts-expect-error a field that there is not
void (() => started.colour)
// @ts-expect-error only delete has it
void (() => telesto.stopJob(1, { stop: true }))

const codeOf = (answer: typeof twice | typeof foreign | typeof nobody) => (answer.status === 200 ? 'ok' : answer.data.error.code)
console.log(JSON.stringify({
  names, none: other.total, started: started.statusCode, reported, poked, logs: logs.logs.length, files: results.files.map((file) => file.path),
  labelled: labelled.status, stopped: stopped.status, attempts: history.attempts.length, asked: history.entries.flatMap(({ action, by }) => (action === undefined ? [] : [action + ' ' + by])),
  codes: [twice, foreign, nobody].map(codeOf), deleted: deleted.deleted,
}))
`

test('a typed client is made from the document, compiled, and used', async () => {
  const portal = await startPortal()
  const directory = await folder()
  const write = async (name: string, text: string): Promise<void> => await writeFile(path.join(directory, name), text)
  await write('openapi.json', await (await portal.ask('/telesto/api/openapi.json')).text())
  const generator = path.join(root, 'node_modules/oazapfts/dist/cli.js')
  const generated = await node(generator, path.join(directory, 'openapi.json'), path.join(directory, 'client.ts'))
  expect(generated.stderr).toBe('')
  // What the generator writes does not hold under exactOptionalPropertyTypes; its use does.
  await compile(directory, 'client.ts', { noEmit: false, declaration: true, exactOptionalPropertyTypes: false })
  await rm(path.join(directory, 'client.ts'))
  await write('program.ts', PROGRAM)
  await compile(directory, 'program.ts', { noEmit: true })

  const job = await portal.basic('by client', { tags: { basin: 'nile' } })
  const running = await portal.basic('runs')
  await running.execute()
  const results = await portal.workdir(running.id)
  await mkdir(results, { recursive: true })
  await writeFile(path.join(results, 'flow.csv'), '1,2\n')
  const { stdout, stderr } = await node(
    path.join(directory, 'program.ts'),
    portal.origin,
    String(job.id),
    String(running.id),
    await portal.reportToken(running.id),
  )
  expect(stderr).toBe('')
  expect(JSON.parse(stdout)).toEqual({
    names: ['by client'],
    none: 0,
    started: 'SUB',
    reported: { success: true, statusApplied: true },
    poked: { success: true },
    logs: 0,
    files: ['flow.csv'],
    labelled: 'Calibrating',
    stopped: 'Aborted',
    attempts: 1,
    asked: ['execute ada', 'updateStatus ada', 'stop ada'],
    codes: ['action_not_allowed', 'not_found', 'not_signed_in'],
    deleted: true,
  })
  await running.refresh()
  expect([running.status, running.progress]).toEqual(['Running', 0.5])
})
