import { parseArgs } from 'node:util'
import { silent } from '../silent.js'
import { type Command, wrongly } from './command.js'
import { PLACE, PLACE_USAGE, placeIn } from './place.js'

/** `telesto migrate`: brings a database up to this version, or back down. */
export const migrate: Command = {
  usage: `migrate ${PLACE_USAGE} [--down [name]]`,
  summary:
    'Brings the database up to this version: that of the URL, by default the one in the environment variable DATABASE_URL; without it the file, by default the one in .telesto, after a copy. --down undoes the last migration, or the named one and all after it.',
  async run(args) {
    const { values, positionals } = parseArgs({
      args: args.flatMap((arg) => (arg.startsWith('--down=') ? ['--down', arg.slice('--down='.length)] : [arg])),
      options: { ...PLACE, down: { type: 'boolean', default: false } },
      allowPositionals: true,
    })
    const [down, ...more] = positionals
    if (more.length > 0 || (down !== undefined && !values.down))
      throw wrongly(`Unexpected argument '${more[0] ?? down}'`)
    // Loaded here: the program must be able to refuse an old Node before it needs what only a newer one has.
    const { DATABASE_FILE, migrateDatabase } = await import('../store/open.js')
    const { name, names, copy } = await migrateDatabase({
      ...placeIn(values, DATABASE_FILE),
      log: silent,
      ...(values.down ? { down: down ?? true } : {}),
    })
    if (names.length === 0) return values.down ? `${name} has no migration to undo.` : `${name} is up to date.`
    const done = `${name}: ${values.down ? 'undone' : 'applied'} ${names.join(', ')}.`
    return copy === undefined ? done : `${done} The copy from before: ${copy}`
  },
}
