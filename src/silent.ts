import type { Logger } from './adapter.js'

/** For whoever wants no log. */
export const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} }
