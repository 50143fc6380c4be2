import { nodeTooOld } from './node-version.js'

// Loading Telesto on a Node that it cannot work with ends in one sentence, not in a stack of what is missing.
const sentence = nodeTooOld(process.versions.node)
if (sentence !== undefined) {
  process.stderr.write(`${sentence}\n`)
  process.exit(1)
}
