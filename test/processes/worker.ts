// Another process on the database of a test: does, line by line, what it is told, and says when it is committed.

import { createInterface } from 'node:readline'
import { createTelesto } from 'telesto'
import { local } from 'telesto/adapters/local'

const directory = process.argv[2] ?? ''
const telesto = await createTelesto({ adapters: [local], directory, runLoops: false })
console.log('ready')

for await (const line of createInterface({ input: process.stdin })) {
  const { id, status, loops } = JSON.parse(line) as { id: number; status: string; loops?: true }
  if (loops) (await createTelesto({ adapters: [local], directory })).app('flood')
  else await (await telesto.app('flood').getJob(id))?.updateStatus(status)
  console.log('done')
}
