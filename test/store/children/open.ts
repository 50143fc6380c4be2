// Opens the database of argv[2] when told to, and says how that went. With argv[3] "nobody" without root's privileges.
import { once } from 'node:events'
import { systemClock } from '../../../src/clock.js'
import { TelestoError } from '../../../src/errors.js'
import { openDatabase } from '../../../src/store/open.js'

const [, , file = '', as] = process.argv
if (as === 'nobody' && process.getuid?.() === 0) {
  process.setgroups?.([])
  process.setgid?.(65_534)
  process.setuid?.(65_534)
}
console.log('ready')
await once(process.stdin, 'data')
const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
try {
  const database = await openDatabase({ file, clock: systemClock, log })
  const tables = await database.all(`SELECT name FROM sqlite_schema WHERE type = 'table'`)
  await database.write((tx) => tx.run(`INSERT INTO telesto_events (kind, at) VALUES ('opened', ${database.now()})`))
  await database.close()
  console.log(JSON.stringify({ tables: tables.length }))
} catch (error) {
  const { code, field, message } = error as TelestoError
  console.log(JSON.stringify({ telesto: error instanceof TelestoError, code, field, message }))
}
process.exit()
