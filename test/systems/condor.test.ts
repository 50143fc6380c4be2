import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { condor } from '../../adapters/condor.js'
import { describeAdapter } from '../../adapters/testing.js'
import { localTransport } from '../../src/transport/local.js'
import { becomeAccount } from './account.js'

becomeAccount(process.env.CONDOR_USER)

const SPECS = {
  succeeds: { executable: '/bin/true' },
  fails: (code: number) => ({ executable: '/bin/sh', arguments: ['-c', `exit ${code}`] }),
  runs: { executable: '/bin/sleep', arguments: ['600'] },
  prints: (words: readonly string[]) => ({
    executable: '/bin/sh',
    arguments: ['-c', 'printf "%s\\0" "$@"', 'sh', ...words],
  }),
  invalid: { executable: 'is-not-there' },
}

describeAdapter(condor, {
  start: async () => {
    const root = mkdtempSync(join(tmpdir(), 'telesto "kit" \'$x\' été '))
    const transport = localTransport()
    return {
      config: { password: 'canary-of-the-password', privateKeyPass: 'canary-of-the-key' },
      jobType: 'CONDOR',
      workdir: (token) => join(root, token),
      specs: SPECS,
      output: async ({ workdir }) => readFileSync(join(workdir, 'out')),
      nameOf: async ({ token }) =>
        JSON.parse(
          execFileSync('condor_q', ['-json', '-constraint', `TelestoToken == "${token}"`], { encoding: 'utf8' }),
        )[0].JobBatchName,
      transport,
      many: 100,
      patience: 60_000,
      stop: async () => rmSync(root, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }),
    }
  },
})
