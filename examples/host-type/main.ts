// Starts the model service and a Telesto that knows it, runs one model as a job, and prints what came out.
//
//   npm run build && node examples/host-type/main.ts
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { createTelesto } from 'telesto'
import { models } from './adapter.ts'
import { startService } from './service.ts'

const reservoir = fileURLToPath(new URL('reservoir.ts', import.meta.url))
const service = await startService({ reservoir: [process.execPath, reservoir] })
const directory = await mkdtemp(path.join(tmpdir(), 'telesto-host-type-'))
const telesto = await createTelesto({ adapters: [models], directory })

// What an administrator does once: a record of the service, and which app may use it.
await telesto.createScheduler({ name: 'our models', adapter: 'models', config: { url: service.url }, pollSeconds: 0.2 })
const flood = telesto.app('flood', { schedulerSettings: { models: { adapter: 'models' } } })
await telesto.assignScheduler('flood', 'models', 'our models')

// What the app does for its users. A wrong option does not compile.
const job = await flood.createJob({
  name: 'reservoir {id}',
  user: 'ada',
  jobType: 'MODEL',
  scheduler: 'models',
  model: 'reservoir',
  arguments: ['2', '10', '0', '0'],
})
await job.execute()
while (!job.isSettled) await job.updateStatus({ wait: 5000 })

console.log(job.name, job.status, job.nativeId)
if (job.status === 'Complete') console.log(await readFile(await job.resultPath('output.txt'), 'utf8'))

await telesto.close()
await service.close()
await rm(directory, { recursive: true, force: true })
