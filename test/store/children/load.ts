// Opens and closes the database argv[2], and says whether process.emitWarning is what it was.
import { systemClock } from '../../../src/clock.js'
import { openDatabase } from '../../../src/store/open.js'

const before = process.emitWarning
const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
const database = await openDatabase({ file: process.argv[2] ?? '', clock: systemClock, log })
await database.close()
console.log(process.emitWarning === before)
