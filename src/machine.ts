import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'

/** What tells this machine from others that open the same database: the id that its system gave it, else its name. */
export const machineId = (): string => {
  for (const file of ['/etc/machine-id', '/var/lib/dbus/machine-id']) {
    try {
      const id = readFileSync(file, 'utf8').trim()
      if (/^[0-9a-f]{32}$/.test(id)) return `${hostname()}-${id.slice(0, 12)}`
    } catch {
      // The next place, or the name alone.
    }
  }
  return hostname()
}
