import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { condor } from '../../adapters/condor.js'
import { describeAdapter } from '../../adapters/testing.js'
import { localHarness, SPECS } from './condor-pool.js'

/** A workflow of one node. */
const one = (job: object, more: object = {}) => ({ nodes: [{ name: 'only', job, ...more }] })

describeAdapter(condor, {
  start: async () => {
    const harness = await localHarness()
    // Not below /tmp, where a strict DAGMan takes no workflow.
    const root = mkdtempSync(join(homedir(), `telesto "kit" 'x' $HOME & é `))
    return {
      ...harness,
      jobType: 'CONDORWORKFLOW',
      workdir: (token) => join(root, token),
      specs: {
        succeeds: one(SPECS.succeeds),
        // A workflow exits as DAGMan does.
        fails: (code) => one(SPECS.fails(code), { abortDagOn: code }),
        runs: one(SPECS.runs),
        prints: (words) => one(SPECS.prints(words)),
        invalid: one(SPECS.invalid),
      },
      output: async ({ workdir }) => readFileSync(join(workdir, '.telesto/dag/0.out')),
      many: 20,
      stop: async () => {
        await harness.stop()
        rmSync(root, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
      },
    }
  },
})
