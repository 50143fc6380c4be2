import { createHash } from 'node:crypto'
import { z } from 'zod'
import { defineAdapter, type Scheduler, SchedulerError } from '../../src/adapter.js'
import { SSH_SECRETS, sshFields, sshTargetOf } from '../../src/transport/ssh-target.js'

// Adapters of a host's own, for the command line.

const defaults = { pollSeconds: 1, maxIdsPerPoll: 10, maxSubmitsPerMinute: 10 }
const nothing = async (): Promise<never> => {
  throw new SchedulerError('unavailable', 'It only answers Test.')
}
const testable = (ping: Scheduler['ping']): Scheduler => ({
  submit: nothing,
  status: nothing,
  cancel: nothing,
  close: async () => {},
  ...(ping ? { ping } : {}),
})

/** Its version is a digest of its secrets. */
export const vault = defineAdapter({
  type: 'vault',
  label: 'A vault',
  config: z.strictObject({
    address: z.string().default('one'),
    port: z.int().optional(),
    careful: z.boolean().default(true),
    directory: z.string().optional(),
    shelves: z.array(z.string()).optional(),
    password: z.string().min(8, 'must have 8 characters or more').optional(),
    passPhrase: z.string().optional(),
  }),
  secrets: ['password', 'passPhrase'],
  specs: { VAULT: z.strictObject({}) },
  defaults,
  connect: ({ password = '', passPhrase = '' }) => testable(async () => ({ version: digest(password, passPhrase) })),
})
export const digest = (...secrets: readonly string[]): string =>
  createHash('sha256').update(JSON.stringify(secrets)).digest('hex').slice(0, 12)

/** The system of a host behind SSH, or of this machine. */
export const shell = defineAdapter({
  type: 'shell',
  label: 'A shell',
  config: z.strictObject({ ...sshFields }),
  secrets: SSH_SECRETS,
  specs: { SHELL: z.strictObject({}) },
  defaults,
  ssh: sshTargetOf,
  connect: (_config, { transport }) =>
    testable(async (signal) => {
      const { stdout } = await transport.exec(['echo', 'shell', "it's me"], { signal })
      return { version: new TextDecoder().decode(stdout).trim() }
    }),
})
