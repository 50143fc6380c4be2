// A model: the outflow of a linear reservoir, day by day.
//
//   node reservoir.ts <days of storage> <inflow of each day>...
const [storage, ...inflows] = process.argv.slice(2).map(Number)
if (storage === undefined || !(storage >= 1) || inflows.some(Number.isNaN)) {
  console.error('usage: reservoir <days of storage, 1 or more> <inflow of each day>...')
  process.exit(2)
}
let stored = 0
console.log('day,outflow')
for (const [day, inflow] of inflows.entries()) {
  stored += inflow
  const outflow = stored / storage
  stored -= outflow
  console.log(`${day + 1},${outflow.toFixed(2)}`)
}
