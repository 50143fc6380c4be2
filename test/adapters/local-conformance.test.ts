import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { local } from '../../adapters/local.js'
import { describeAdapter } from '../../adapters/testing.js'

describeAdapter(local, {
  start: async () => {
    const root = mkdtempSync(join(tmpdir(), 'telesto "kit" $x été\n'))
    return {
      config: { killGraceSeconds: 1 },
      jobType: 'BASIC',
      workdir: (token) => join(root, token),
      specs: {
        succeeds: { command: ['true'] },
        fails: (code) => ({ command: ['/bin/sh', '-c', `exit ${code}`] }),
        runs: { command: ['sleep', '600'] },
        prints: (words) => ({ command: ['/bin/sh', '-c', 'printf "%s\\0" "$@"', 'sh', ...words] }),
        invalid: {},
      },
      output: async ({ workdir, token }) => readFileSync(join(workdir, '.telesto', token, 'stdout')),
      many: 100,
      patience: 15_000,
      stop: async () => rmSync(root, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }),
    }
  },
})
