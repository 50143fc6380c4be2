import type { Logger } from '../adapter.js'
import { localTransport } from './local.js'
import { sshTransport } from './ssh.js'
import type { SshTarget } from './ssh-target.js'
import type { Transport } from './transport.js'

/** The transport of a record; undefined: this machine. Does no I/O: the first call does. */
export const openTransport = (target: SshTarget | undefined, log: Logger): Transport =>
  target === undefined ? localTransport() : sshTransport(target, { log })
