// A server whose app has a task: starts a job of it if it is told so, and stays until it is killed.
import { createTelesto } from 'telesto'
import { local } from 'telesto/adapters/local'

const [directory = '', what] = process.argv.slice(2)
const telesto = await createTelesto({ adapters: [local], directory, leaseSeconds: 2 })
const app = telesto.app('flood', {
  tasks: { wait: new URL('../adapters/tasks/wait.ts', import.meta.url) },
  processResults: { look: (_job, { result }) => ({ seen: result }) },
})
if (what === 'start') {
  const job = await app.createJob({ name: 'a', user: 'u', jobType: 'BASIC', task: 'wait', processResults: 'look' })
  await job.execute()
}
