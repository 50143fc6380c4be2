import { z } from 'zod'

/** A host that is reached over SSH, and how. What is undefined is not used: with nothing given, the agent is asked. */
export interface SshTarget {
  readonly host: string
  readonly port: number
  readonly username: string
  readonly password?: string | undefined
  /** A private key (ed25519, ECDSA or RSA; OpenSSH or PEM) in a file of this machine, read whenever a connection is opened. */
  readonly privateKeyPath?: string | undefined
  readonly privateKeyPass?: string | undefined
  /** The socket of an SSH agent. */
  readonly agent?: string | undefined
  /** The pinned host key, as `ssh-keygen -l` shows it: "SHA256:…". Undefined: none was accepted yet, and nothing connects. */
  readonly hostKey?: string | undefined
  /** Where attempts get their directories there: absolute, or relative to the home of the login. */
  readonly directory: string
}

const text = z.string().min(1).max(1024)

/**
 * The fields of a record that may be behind SSH, for the `config` of its adapter. An empty or absent host is this machine.
 * `password` and `privateKeyPass` are secrets: an adapter lists them as such.
 */
export const sshFields = {
  host: z
    .string()
    .max(255)
    .regex(/^[A-Za-z0-9._:-]*$/, 'must be a host name or an address')
    .default('')
    .describe('A name or an address, reached over SSH. Empty: this machine.'),
  port: z.int().min(1).max(65535).default(22),
  username: text.optional().describe('The account there. Empty: that of this process.'),
  password: text.optional(),
  privateKeyPath: text.optional().describe('A file of this machine, of mode 0600.'),
  privateKeyPass: text.optional().describe('The passphrase of that file, where it has one.'),
  agent: text.optional().describe('The socket of an SSH agent.'),
  hostKey: z
    .string()
    .regex(/^SHA256:[A-Za-z0-9+/]{43}$/, 'must be a fingerprint as ssh-keygen -l shows it: SHA256:…')
    .optional()
    .describe('The pinned key of the host, SHA256:… Empty: Test shows it, to be compared and accepted.'),
  directory: text
    .default('telesto')
    .describe('Where jobs get their directories there: absolute, or relative to the home of the account.'),
}

/** The names of those among `sshFields` that say where jobs and their files are. */
export const SSH_PLACE = ['host', 'port', 'username', 'directory'] as const

/** The names of those among `sshFields` that are secrets. */
export const SSH_SECRETS = ['password', 'privateKeyPass'] as const

const fields = z.object(sshFields)

/** What `Adapter.ssh` answers for a configuration with `sshFields`. */
export const sshTargetOf = (config: z.output<typeof fields>): SshTarget | undefined =>
  config.host === '' ? undefined : { ...config, username: config.username ?? '' }
