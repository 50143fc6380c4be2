import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { local } from '../../adapters/local.js'
import { describeAdapter } from '../../adapters/testing.js'

// All that holds of a command holds of a task.
describeAdapter(local, {
  start: async () => {
    const root = mkdtempSync(join(tmpdir(), 'telesto "kit" $x été\n'))
    const module = (name: string) => new URL(`./tasks/${name}.ts`, import.meta.url)
    return {
      config: { killGraceSeconds: 1 },
      jobType: 'BASIC',
      workdir: (token) => join(root, token),
      tasks: { echo: module('echo'), leave: module('leave'), print: module('print'), wait: module('wait') },
      specs: {
        succeeds: { task: 'echo' },
        fails: (code) => ({ task: 'leave', input: code }),
        runs: { task: 'wait' },
        prints: (words) => ({ task: 'print', input: words }),
        invalid: { task: 'nobody registered it' },
        returns: (value) => ({ task: 'echo', input: value }),
      },
      output: async ({ workdir, token }) => readFileSync(join(workdir, '.telesto', token, 'stdout')),
      many: 12,
      patience: 30_000,
      stop: async () => rmSync(root, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }),
    }
  },
})
