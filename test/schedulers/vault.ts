import { onTestFinished } from 'vitest'
import { z } from 'zod'
import { local } from '../../adapters/local.js'
import type { Adapter, AdapterContext, Logger } from '../../src/adapter.js'
import { createTelesto } from '../../src/index.js'
import { newKey } from '../../src/key-ring.js'
import { forget, look, telestoIn } from '../database.js'
import { scriptedSystem } from '../engine/scripted-adapter.js'
import { temporaryDirectory } from '../fixture.js'

const config = z.strictObject({
  address: z.string().default('one'),
  colour: z.enum(['red', 'blue']).default('red'),
  password: z.string().min(8, 'must have 8 characters or more').optional(),
  passphrase: z.string().optional(),
})
type VaultConfig = z.output<typeof config>

/** A scheduler that wants secrets, and what it is connected with. */
export const vault = (has: readonly ('recover' | 'ping')[] = ['recover', 'ping']) => {
  const system = scriptedSystem(() => 0, { has })
  const connected: { readonly config: VaultConfig; readonly context: AdapterContext }[] = []
  const adapter: Adapter = {
    ...system.adapter,
    type: 'vault',
    config,
    secrets: ['password', 'passphrase'],
    identity: ['address'],
    connect(given, context) {
      connected.push({ config: given as VaultConfig, context })
      return system.adapter.connect({}, context)
    },
  }
  return { system, adapter, connected }
}

export const KEYS = [newKey(), newKey()] as const

/** A Telesto with that scheduler, gone after the test; the next one opens the same store. */
export const openVaults = async () => {
  const directory = await temporaryDirectory()
  onTestFinished(async () => await forget(directory))
  const lines: unknown[] = []
  const at =
    (level: string) =>
    (fields: object, message?: string): void =>
      void lines.push(JSON.stringify([level, message, fields, String(Reflect.get(fields, 'error'))]))
  const log: Logger = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
  return {
    directory,
    lines,
    rows: async <T extends object = Record<string, unknown>>(sql: string) => await look<T>(directory, sql),
    async open(
      keys: readonly string[] = [KEYS[0]],
      { has, ...options }: { readonly runLoops?: boolean; readonly has?: readonly 'recover'[] } = {},
    ) {
      const made = vault(has)
      const telesto = await createTelesto({
        adapters: [local, made.adapter],
        ...(await telestoIn(directory)),
        runLoops: false,
        keys,
        log,
        ...options,
      })
      onTestFinished(async () => await telesto.close())
      return { telesto, ...made }
    },
  }
}
