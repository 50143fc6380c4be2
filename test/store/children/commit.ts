// Commits rows to the database argv[2], saying each number once its commit was acknowledged. With argv[3] "once" it ends
// itself by SIGKILL right after the first.
import { writeSync } from 'node:fs'
import { systemClock } from '../../../src/clock.js'
import { openDatabase } from '../../../src/store/open.js'
import { counters } from './schema.js'

const [, , file = '', how] = process.argv
const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
const database = await openDatabase({ file, clock: systemClock, log, migrations: [counters] })
for (;;) {
  const id = await database.write(async (tx) => {
    const [row] = await tx.all<{ id: number }>('INSERT INTO counters (n) SELECT max(id) FROM counters RETURNING id')
    return Number(row?.id)
  })
  writeSync(1, `${id}\n`)
  if (how === 'once') process.kill(process.pid, 'SIGKILL')
}
