import { SchedulerError, type Transport } from '../adapter.js'
import { localTransport } from './local.js'
import type { SshTarget } from './ssh-target.js'

/** The transport of a record; undefined: this machine. Does no I/O: the first call does. */
export const openTransport = (target: SshTarget | undefined): Transport => {
  if (target === undefined) return localTransport()
  throw new SchedulerError('unavailable', `This version cannot reach ${target.host} over SSH yet.`)
}
