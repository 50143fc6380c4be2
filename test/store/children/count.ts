// Adds 1 to the counter of the database argv[2] (a file or a URL), argv[3] times, each time reading first: a lost update would show.
import { systemClock } from '../../../src/clock.js'
import { openDatabase } from '../../../src/store/open.js'
import { counters } from './schema.js'

const [, , name = '', times = '0'] = process.argv
const place = name.includes('://') ? { url: name } : { file: name }
const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
const database = await openDatabase({ ...place, clock: systemClock, log, migrations: [counters] })
let rejected = 0
for (let time = 0; time < Number(times); time += 1) {
  await database
    .write(async (tx) => {
      const [row] = await tx.all<{ n: number }>('SELECT n FROM counters WHERE id = 1')
      await new Promise((resolve) => setTimeout(resolve, 1))
      await tx.run('UPDATE counters SET n = $1 WHERE id = 1', [Number(row?.n) + 1])
    })
    .catch(() => {
      rejected += 1
    })
}
await database.close()
console.log(JSON.stringify({ rejected }))
