import { execFileSync, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { expect, test } from 'vitest'
import type { User } from '../../src/index.js'
import { startPortal } from '../web/support.js'

// Schemathesis reads the document as a stranger does, and sends what it finds in it: right, wrong and odd.

const VERSION = '4.32.5'
const folder = path.resolve(import.meta.dirname, '../../.systems/schemathesis')

/** Installed beside the repository's other systems, once. */
const schemathesis = (): string => {
  const command = path.join(folder, 'bin', 'st')
  if (!existsSync(command)) {
    execFileSync('python3', ['-m', 'venv', folder], { stdio: 'inherit' })
    execFileSync(path.join(folder, 'bin', 'pip'), ['install', '--quiet', `schemathesis==${VERSION}`], {
      stdio: 'inherit',
    })
  }
  return command
}

/** The cookie that the document gives as an example is this portal's session. */
const USERS: Readonly<Record<string, User>> = { ada: { id: 'ada' }, root: { id: 'grace', isAdmin: true } }
const identify: NonNullable<Parameters<typeof startPortal>[0]>['identify'] = (req) =>
  USERS[/(?:^|; )session=(\w+)/.exec(req.get('cookie') ?? '')?.[1] ?? '']

/**
 * Who signs in, and the two rules that no schema can say: a page is asked for in one way, not in two; a report without its token
 * is a poke, which looks at no body.
 */
const CONFIG = `
[auth.openapi.session]
api_key = "root"

[[operations]]
include-operation-id = "listJobs"
checks.positive_data_acceptance.enabled = false

[[operations]]
include-operation-id = "reportJob"
checks.negative_data_rejection.enabled = false
`

test('schemathesis finds nothing', { timeout: 550_000 }, async () => {
  const command = schemathesis()
  const portal = await startPortal({
    identify,
    runLoops: true,
    rateLimits: { api: 1e9, callback: 1e9 },
    url: 'http://127.0.0.1/telesto',
  })
  for (let n = 1; n <= 40; n += 1) {
    const job = await portal.basic(`job ${n}`, { user: n % 2 === 0 ? 'ada' : 'bob', tags: { basin: 'nile' } })
    if (n % 4 > 0) await job.execute()
    if (n % 4 > 1) await job.updateStatus(n % 4 === 2 ? 'Running' : 'Complete')
  }
  const args = [
    'run',
    `${portal.origin}/telesto/api/openapi.json`,
    '--url',
    `${portal.origin}/telesto`,
    // A stream has no end to wait for.
    '--exclude-operation-id',
    'followEvents',
    '--max-examples',
    process.env.EXAMPLES ?? '50',
    '--seed',
    process.env.SEED ?? '1',
    '--no-color',
  ]
  await writeFile(path.join(portal.directory, 'schemathesis.toml'), CONFIG)
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], cwd: portal.directory })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  child.stderr.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  console.log(output.slice(-20_000))
  expect(code).toBe(0)
  expect(portal.logged).toEqual([])
})
