// npm run test:systems [-- names]: installs and starts the real systems, tests against them, and says what it ran.
// Assumes root on Debian 12.

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

interface System {
  /** What it is there for. */
  readonly what: string
  /** Debian's packages that it needs, and a file that shows that they are here. */
  readonly packages: readonly string[]
  readonly shows: string
  readonly tests: readonly string[]
}

const SYSTEMS: Readonly<Record<string, System>> = {
  browser: {
    what: 'every page in Chromium: live updates, forms, screenshots',
    packages: ['chromium'],
    shows: '/usr/bin/chromium',
    tests: ['test/systems/browser.test.ts'],
  },
  schemathesis: {
    what: 'every operation of the API, as its OpenAPI document tells it to a stranger',
    packages: ['python3-venv'],
    shows: '/usr/share/doc/python3-venv',
    tests: ['test/systems/schemathesis.test.ts'],
  },
}

const run = (command: string, args: readonly string[]): void => {
  const { status } = spawnSync(command, args, {
    stdio: 'inherit',
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  })
  if (status !== 0) process.exit(status ?? 1)
}

const names = process.argv.slice(2).filter((name) => !name.startsWith('-'))
const options = process.argv.slice(2).filter((name) => name.startsWith('-'))
const wanted = names.length === 0 ? Object.keys(SYSTEMS) : names
for (const name of wanted) {
  if (Object.hasOwn(SYSTEMS, name)) continue
  console.error(`There is no system ${JSON.stringify(name)}. There is: ${Object.keys(SYSTEMS).join(', ')}.`)
  process.exit(2)
}

const systems = wanted.map((name) => SYSTEMS[name] as System)
const missing = systems.filter(({ shows }) => !existsSync(shows)).flatMap(({ packages }) => packages)
if (missing.length > 0) {
  run('apt-get', ['update', '-qq'])
  run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...missing])
}
for (const [index, system] of systems.entries()) console.log(`${wanted[index]}: ${system.what}`)
run('npx', [
  'vitest',
  'run',
  '--config',
  'vitest.systems.config.ts',
  ...options,
  ...systems.flatMap(({ tests }) => tests),
])
console.log(`Ran: ${wanted.join(', ')}.`)
