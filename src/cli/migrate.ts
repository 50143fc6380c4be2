import path from 'node:path'
import { parseArgs } from 'node:util'
import { type Command, wrongly } from './command.js'

const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

/** `telesto migrate`: brings a database up to this version, or back down. */
export const migrate: Command = {
  usage: 'migrate [--directory <directory> | --file <path>] [--down [name]]',
  summary:
    'Brings the database (by default the one in .telesto) up to this version, after a copy. --down undoes the last migration, or the named one and all after it.',
  async run(args) {
    const { values, positionals } = parseArgs({
      args: args.flatMap((arg) => (arg.startsWith('--down=') ? ['--down', arg.slice('--down='.length)] : [arg])),
      options: { directory: { type: 'string' }, file: { type: 'string' }, down: { type: 'boolean', default: false } },
      allowPositionals: true,
    })
    const [name, ...more] = positionals
    if (more.length > 0 || (name !== undefined && !values.down))
      throw wrongly(`Unexpected argument '${more[0] ?? name}'`)
    if (values.file !== undefined && values.directory !== undefined)
      throw wrongly('Give --directory or --file, not both')
    // Loaded here: the program must be able to refuse an old Node before it needs what only a newer one has.
    const { DATABASE_FILE, migrateDatabase } = await import('../store/open.js')
    const { file, names, copy } = await migrateDatabase({
      file: values.file ?? path.join(values.directory ?? '.telesto', DATABASE_FILE),
      log: quiet,
      ...(values.down ? { down: name ?? true } : {}),
    })
    if (names.length === 0) return values.down ? `${file} has no migration to undo.` : `${file} is up to date.`
    const done = `${file}: ${values.down ? 'undone' : 'applied'} ${names.join(', ')}.`
    return copy === undefined ? done : `${done} The copy from before: ${copy}`
  },
}
