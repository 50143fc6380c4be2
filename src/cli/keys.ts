import { parseArgs } from 'node:util'
import { type Command, failing, type Group } from './command.js'
import { PLACE, PLACE_SUMMARY, PLACE_USAGE } from './place.js'

const generate: Command = {
  usage: 'keys generate',
  summary:
    'Prints a new key. The keys are set in the environment variable TELESTO_KEYS, the newest first, with commas between them.',
  async run(args) {
    parseArgs({ args: [...args], options: {} })
    const { newKey } = await import('../key-ring.js')
    return newKey()
  },
}

const rotate: Command = {
  usage: `keys rotate ${PLACE_USAGE}`,
  summary: `Encrypts all secrets anew with the first key of TELESTO_KEYS; afterwards the others can go. ${PLACE_SUMMARY}`,
  async run(args) {
    const { values } = parseArgs({ args: [...args], options: PLACE })
    const [{ by, inOffice }, { rotateKeys }] = await Promise.all([
      import('./office.js'),
      import('../schedulers/rotate.js'),
    ])
    const { rotated, secrets, unreadable } = await inOffice(values, async (office) => await rotateKeys(office, by()))
    const done = `${rotated} of ${secrets} secrets encrypted anew; ${secrets - rotated - unreadable.length} had the first key already.`
    if (unreadable.length === 0) return done
    const lost = unreadable.map(({ scheduler, field, key }) => `${field} of ${scheduler} (key ${key})`).join(', ')
    throw failing(
      1,
      `${done} These no key of TELESTO_KEYS opens: ${lost}. Set them anew (telesto schedulers update), or add their key and rotate again.`,
    )
  },
}

/** `telesto keys`: the keys that encrypt secrets. */
export const keys: Group = { commands: { generate, rotate } }
