import { condor } from '../../adapters/condor.js'
import { describeAdapter } from '../../adapters/testing.js'
import { localHarness } from './condor-pool.js'

describeAdapter(condor, { start: localHarness })
