// Holds a lock on the database argv[2] until it is told to let go: argv[3] is "write" or "everything".
import { once } from 'node:events'
import { DatabaseSync } from 'node:sqlite'

const [, , file = '', what] = process.argv
const raw = new DatabaseSync(file)
if (what === 'everything') raw.exec('PRAGMA locking_mode = EXCLUSIVE')
raw.exec('BEGIN IMMEDIATE')
console.log('held')
await once(process.stdin, 'data')
raw.exec('ROLLBACK')
raw.close()
console.log('let go')
process.exit()
