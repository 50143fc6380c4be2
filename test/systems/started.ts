import { execFile, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** What a script of a system tells those who use it: the lines `export NAME=value` of its command `env`. */
export const told = (script: string, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv => {
  const { stdout } = spawnSync(script, ['env'], { encoding: 'utf8', env })
  return Object.fromEntries([...stdout.matchAll(/^export (\w+)=(.*)$/gm)].map(([, name, value]) => [name, value]))
}

/** A system that this process has started. */
export interface Started {
  /** What it told of itself. */
  readonly env: NodeJS.ProcessEnv
  /** Carries out a command of its script, and answers what that printed. */
  tell(command: string): Promise<string>
  stop(): Promise<void>
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Starts a system by its script in this folder; it is stopped also when this process is told to end. Throws where it runs already. */
export const startSystem = async (script: string, own: NodeJS.ProcessEnv = {}): Promise<Started> => {
  const file = fileURLToPath(new URL(script, import.meta.url))
  const env = { ...process.env, ...own }
  const tell = async (command: string): Promise<string> => (await promisify(execFile)(file, [command], { env })).stdout
  if (spawnSync(file, ['status'], { env }).status === 0)
    throw new Error(`${file} says that it runs already: stop it, or set SYSTEMS_ROOT and its port to others.`)
  /** Nobody else would. Other systems are told of the signal too, and then the process ends. */
  const leave = (): void => {
    spawnSync(file, ['stop'], { env })
    setImmediate(() => process.exit(1))
  }
  for (const signal of SIGNALS) process.once(signal, leave)
  const stop = async (): Promise<void> => {
    await tell('stop')
    for (const signal of SIGNALS) process.off(signal, leave)
  }
  try {
    await tell('start')
    return { env: told(file, env), tell, stop }
  } catch (error) {
    await stop()
    throw error
  }
}
