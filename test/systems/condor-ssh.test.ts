import { condor } from '../../adapters/condor.js'
import { describeAdapter } from '../../adapters/testing.js'
import { sshHarness } from './condor-pool.js'

describeAdapter(condor, { start: sshHarness })
