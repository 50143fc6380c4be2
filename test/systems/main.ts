// npm run test:systems [-- names]: installs and starts the real systems, tests against them, stops them, and says what it ran.
// Assumes root on Debian 12.

import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'

interface System {
  /** What it is there for. */
  readonly what: string
  /** Debian's packages that it needs, and a file that shows that they are here. */
  readonly packages?: { readonly names: readonly string[]; readonly shows: string }
  /** Scripts that know `start`, `stop` and `env`, which prints what the tests need to know as `export NAME=value`. */
  readonly scripts?: readonly string[]
  /** The Node that runs its tests, another than the repository's own: its version, as npm knows it. */
  readonly node?: string
  /** How vitest runs its tests, and which. */
  readonly config: string
  readonly tests?: readonly string[]
}

const onNode = (version: string): System => ({
  what: `the unit tests, under Express 4 and 5, on Node ${version}`,
  node: version,
  config: 'vitest.config.ts',
  tests: ['--project', 'unit', '--project', 'express 4'],
})

const SYSTEMS: Readonly<Record<string, System>> = {
  browser: {
    what: 'every page in Chromium: live updates, forms, screenshots',
    packages: { names: ['chromium'], shows: '/usr/bin/chromium' },
    config: 'vitest.systems.config.ts',
    tests: ['test/systems/browser.test.ts'],
  },
  schemathesis: {
    what: 'every operation of the API, as its OpenAPI document tells it to a stranger',
    packages: { names: ['python3-venv'], shows: '/usr/share/doc/python3-venv' },
    config: 'vitest.systems.config.ts',
    tests: ['test/systems/schemathesis.test.ts'],
  },
  postgres: {
    what: 'the store, the engine, the manager and the web on PostgreSQL',
    scripts: ['test/systems/postgres.sh'],
    config: 'vitest.postgres.config.ts',
  },
  ssh: {
    what: 'commands and files over SSH, on a real sshd that hangs, is dropped and restarted',
    packages: { names: ['tcsh', 'fish'], shows: '/usr/bin/fish' },
    scripts: ['test/systems/sshd.sh'],
    config: 'vitest.systems.config.ts',
    tests: ['test/systems/ssh'],
  },
  condor: {
    what: 'the adapter `condor` on a pool of HTCondor, on this machine and over SSH',
    scripts: ['test/systems/condor.sh', 'test/systems/sshd.sh'],
    config: 'vitest.systems.config.ts',
    tests: ['--no-file-parallelism', 'test/systems/condor'], // Some of them stop the schedd.
  },
  packed: {
    what: "the package as it would be published, in a user's project, on the oldest Node that it promises",
    config: 'vitest.systems.config.ts',
    tests: ['test/systems/packed.test.ts'],
  },
  node22: onNode('22'),
  node26: onNode('26'),
}

const names = process.argv.slice(2).filter((name) => !name.startsWith('-'))
const options = process.argv.slice(2).filter((name) => name.startsWith('-'))
const wanted = names.length === 0 ? Object.keys(SYSTEMS) : names
for (const name of wanted) {
  if (Object.hasOwn(SYSTEMS, name)) continue
  console.error(`There is no system ${JSON.stringify(name)}. There is: ${Object.keys(SYSTEMS).join(', ')}.`)
  process.exit(2)
}

/** Runs a program to its end, whatever signal comes meanwhile: the terminal has told the program as well. */
const run = async (
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<boolean> => {
  const child = spawn(command, args, { stdio: 'inherit', env })
  return await new Promise((resolve) => child.on('close', (code) => resolve(code === 0)))
}
let stopped = false
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    stopped = true
  })
}

const install = async ({ names: packages, shows }: NonNullable<System['packages']>): Promise<boolean> => {
  if (existsSync(shows)) return true
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  return (
    (await run('apt-get', ['update', '-qq'], env)) &&
    (await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], env))
  )
}

/** The program of another Node, installed below .systems; undefined where that fails. */
const nodeOf = async (version: string): Promise<string | undefined> => {
  const folder = path.resolve('.systems', `node-${version}`)
  const program = path.join(folder, 'node_modules', '.bin', 'node')
  if (existsSync(program)) return program
  mkdirSync(folder, { recursive: true })
  writeFileSync(path.join(folder, 'package.json'), JSON.stringify({ private: true, allowScripts: { node: true } }))
  const installed = await run('npm', ['install', '--prefix', folder, '--no-audit', '--no-fund', `node@${version}`])
  return installed ? program : undefined
}

/** What a started system tells its tests. */
const told = (script: string, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv => {
  const { stdout } = spawnSync(script, ['env'], { encoding: 'utf8', env })
  return Object.fromEntries([...stdout.matchAll(/^export (\w+)=(.*)$/gm)].map(([, name, value]) => [name, value]))
}

const test = async ({ packages, scripts = [], node, config, tests = [] }: System): Promise<boolean> => {
  if (packages && !(await install(packages))) return false
  const program = node === undefined ? process.execPath : await nodeOf(node)
  if (program === undefined) return false
  try {
    const PATH = `${path.dirname(program)}${path.delimiter}${process.env.PATH ?? ''}`
    const env: NodeJS.ProcessEnv = { ...process.env, PATH }
    for (const script of scripts) {
      if (!(await run(script, ['start'], env))) return false
      Object.assign(env, told(script, env)) // Each hears what those before it told.
    }
    const vitest = 'node_modules/vitest/vitest.mjs'
    return await run(program, [vitest, 'run', '--config', config, ...options, ...tests], env)
  } finally {
    for (const script of scripts.toReversed()) await run(script, ['stop'])
  }
}

const ran: string[] = []
for (const name of wanted) {
  const system = SYSTEMS[name] as System
  if (stopped) break
  console.log(`${name}: ${system.what}`)
  ran.push(`${name} ${(await test(system)) ? 'passed' : 'FAILED'}`)
}
console.log(`Ran: ${ran.join(', ')}.`)
if (stopped || ran.some((line) => line.endsWith('FAILED'))) process.exitCode = 1
