// Checked by `tsc -p .`, never run: what compiles for a host, and what does not.
import { z } from 'zod'
import { condor as htcondor } from '../adapters/condor.js'
import { local } from '../adapters/local.js'
import {
  type Adapter,
  type AttributeValue,
  createTelesto,
  defineAdapter,
  defineJobTypes,
  type Job,
  type JobFilter,
  type JobQuery,
  type RunTask,
  SchedulerError,
  type Waited,
} from '../src/index.js'

const condor = defineAdapter({
  type: 'condor',
  label: 'HTCondor',
  config: z.strictObject({ host: z.string().optional(), password: z.string().optional() }),
  secrets: ['password'],
  specs: {
    CONDOR: z.strictObject({ executable: z.string(), requestCpus: z.number().default(1) }),
    CONDORWORKFLOW: z.strictObject({ nodes: z.array(z.strictObject({ name: z.string() })) }),
  },
  aliases: { CONDORJOB: 'CONDOR' },
  defaults: { pollSeconds: 10, maxIdsPerPoll: 1000, maxSubmitsPerMinute: 60 },
  connect(config) {
    const host: string | undefined = config.host
    return {
      async submit(jobs) {
        const answers = new Map<string, string | SchedulerError>()
        for (const job of jobs) {
          if (job.jobType === 'CONDOR') {
            const cpus: number = job.spec.requestCpus // the output of the schema: the default is there
            answers.set(
              job.token,
              cpus > 64 ? new SchedulerError('rejected', `Too much for ${host}.`) : job.spec.executable,
            )
          } else answers.set(job.token, job.spec.nodes[0]?.name ?? '')
        }
        return answers
      },
      status: async () => new Map(),
      cancel: async () => new Map(),
      close: async () => {},
    }
  },
})

export const adapters: readonly Adapter[] = [condor, local]
// @ts-expect-error a secret that the configuration does not have
defineAdapter({ ...condor, secrets: ['nope'] })
// @ts-expect-error an alias of a job type that the adapter does not have
defineAdapter({ ...condor, aliases: { DAG: 'DAGMAN' } })
// @ts-expect-error without a way to connect
defineAdapter({ ...condor, connect: undefined })

const telesto = await createTelesto({
  adapters: [condor, local],
  identify: (req) => req.user,
  may: (user, action, job) => action === 'read' || job.user === user.id,
})
const flood = telesto.app('flood', {
  schedulerSettings: { compute: { adapter: 'condor', required: true } },
  processResults: {
    async read(job, { directory, signal }) {
      job.extendedProperties.directory = `${directory} ${signal.aborted}`
    },
  },
})

// What is right compiles: the input of each schema beside the options of every job.
export const job: Job = await flood.createJob({ name: 'a', user: 'u', jobType: 'CONDOR', executable: 'x' })
await flood.createJob({
  name: 'a',
  user: 'u',
  jobType: 'CONDOR',
  scheduler: 'compute',
  executable: 'x',
  requestCpus: 2,
})
await flood.createJob({
  name: 'a',
  user: 'u',
  jobType: 'CONDORWORKFLOW',
  nodes: [{ name: 'n' }],
  parents: [1],
  onParentFailure: 'wait',
  groups: 'g',
})
await flood.createJob({ name: 'a', user: 'u', jobType: 'CONDORJOB', executable: 'x', requestCpus: 2 })
await flood.createJob({ name: 'a', user: 'u', jobType: 'BASIC' })
await flood.buildJob({ name: 'a', user: 'u', jobType: 'BASIC', command: ['x'], tags: { a: 'b' }, groups: ['g'] })
await flood.bulkCreate([
  { name: 'a', user: 'u', jobType: 'BASIC', command: ['x'] },
  { name: 'b', user: 'u', jobType: 'CONDOR', executable: 'x', extendedProperties: { deep: [1] }, after: [0] },
])
await telesto.as({ id: 'u' }).app('flood').createJob({ name: 'a', user: 'u', jobType: 'CONDOR', executable: 'x' })

// @ts-expect-error wrong type of an option
await flood.createJob({ name: 'a', user: 'u', jobType: 'CONDOR', executable: 'x', requestCpus: 'two' })
// @ts-expect-error an option that is missing
await flood.createJob({ name: 'a', user: 'u', jobType: 'CONDOR' })
// @ts-expect-error an option of another type
await flood.createJob({ name: 'a', user: 'u', jobType: 'BASIC', executable: 'x' })
// @ts-expect-error a typo
await flood.createJob({ name: 'a', user: 'u', jobType: 'CONDOR', executable: 'x', requestCpu: 2 })
// @ts-expect-error the same under another name of the job type
await flood.createJob({ name: 'a', user: 'u', jobType: 'CONDORJOB', executable: 'x', requestCpu: 2 })
// @ts-expect-error an option of another job type than the one that the name means
await flood.createJob({ name: 'a', user: 'u', jobType: 'CONDORJOB', nodes: [{ name: 'n' }] })
// @ts-expect-error an unknown job type
await flood.createJob({ name: 'a', user: 'u', jobType: 'DASK' })
// @ts-expect-error no job type
await flood.createJob({ name: 'a', user: 'u' })
// @ts-expect-error no user
await flood.createJob({ name: 'a', jobType: 'BASIC' })
// @ts-expect-error a group that is no text
await flood.createJob({ name: 'a', user: 'u', jobType: 'BASIC', groups: [1] })
// @ts-expect-error a tag that is no text
await flood.createJob({ name: 'a', user: 'u', jobType: 'BASIC', tags: { a: 1 } })
// @ts-expect-error the same for a job that is built
await flood.buildJob({ name: 'a', user: 'u', jobType: 'CONDOR', executable: 5 })
// @ts-expect-error and for one job among many
await flood.bulkCreate([{ name: 'b', user: 'u', jobType: 'BASIC', executable: 'x' }])
// @ts-expect-error places belong to many jobs
await flood.createJob({ name: 'a', user: 'u', jobType: 'BASIC', command: ['x'], after: [0] })
// @ts-expect-error an unknown fate
await flood.createJob({ name: 'a', user: 'u', jobType: 'BASIC', command: ['x'], onParentFailure: 'ignore' })
// @ts-expect-error and for a user
await telesto.as({ id: 'u' }).app('flood').createJob({ name: 'a', user: 'u', jobType: 'DASK' })

// @ts-expect-error no adapters
await createTelesto({})
// @ts-expect-error an unknown option
await createTelesto({ adapters: [local], mountpath: '/x' })
// @ts-expect-error a user without an id
await createTelesto({ adapters: [local], identify: () => ({ name: 'ada' }) })
// @ts-expect-error an app's function that takes something else
telesto.app('flood', { processResults: { read: (text: string) => text.length } })

// Tasks: the names that the app registered, each with what its schema takes.
const module = new URL('./analyse.js', import.meta.url)
const lake = telesto.app('lake', {
  tasks: {
    plain: module,
    analyse: { module, input: z.strictObject({ basin: z.string(), year: z.coerce.number<string>().default(1871) }) },
    perhaps: { module, input: z.string().optional() },
  },
})
const basic = { name: 'a', user: 'u', jobType: 'BASIC' } as const
await lake.createJob({ ...basic, task: 'plain' })
await lake.createJob({ ...basic, task: 'plain', input: [1, { a: null }], env: { A: 'b' }, tags: { a: 'b' } })
await lake.createJob({ ...basic, task: 'analyse', input: { basin: 'nile' } })
await lake.buildJob({ ...basic, task: 'analyse', input: { basin: 'nile', year: '1913' } })
await lake.createJob({ ...basic, task: 'perhaps' })
await lake.createJob({ ...basic, command: ['x'] })
await lake.bulkCreate([{ ...basic }, { ...basic, task: 'perhaps', input: 'a' }])
await lake.createJob({ name: 'a', user: 'u', jobType: 'CONDOR', executable: 'x' })
// Without the declaration at hand any name compiles; it is checked when it is created.
await telesto.app('lake').createJob({ ...basic, task: 'plain', input: 1 })
await telesto
  .as({ id: 'u' })
  .app('lake')
  .createJob({ ...basic, task: 'plain' })

// @ts-expect-error a task that is not registered
await lake.createJob({ ...basic, task: 'analyze', input: { basin: 'nile' } })
// @ts-expect-error an input that is wrong
await lake.createJob({ ...basic, task: 'analyse', input: { basin: 5 } })
// @ts-expect-error an input with a typo
await lake.createJob({ ...basic, task: 'analyse', input: { basin: 'nile', yaer: '1913' } })
// @ts-expect-error an input that is missing
await lake.createJob({ ...basic, task: 'analyse' })
// @ts-expect-error what the schema puts out, and not what it takes
await lake.createJob({ ...basic, task: 'analyse', input: { basin: 'nile', year: 1913 } })
// @ts-expect-error an input of no task
await lake.createJob({ ...basic, input: { basin: 'nile' } })
// @ts-expect-error a task of a job type that runs none
await lake.createJob({ name: 'a', user: 'u', jobType: 'CONDOR', executable: 'x', task: 'plain' })
// @ts-expect-error an app that registered none
await flood.createJob({ ...basic, task: 'plain' })
// @ts-expect-error a module that is no URL
telesto.app('lake', { tasks: { plain: './analyse.js' } })
// @ts-expect-error a schema that is none
telesto.app('lake', { tasks: { plain: { module, input: { basin: 'string' } } } })

/** What such a module exports. */
export const run: RunTask<{ readonly basin: string }> = async ({ basin }, task) => {
  task.progress(0.5, basin)
  task.message(task.directory + task.idempotencyKey)
  task.signal.throwIfAborted()
  return { basin }
}

// Filters know their fields and what each takes.
const filter: JobFilter = {
  id: [1, 2],
  nameContains: 'run',
  statusNe: ['Running', 'COM'],
  userNe: 'ada',
  creationTimeAfter: new Date(),
  tags: { basin: 'nile' },
  extendedProperties: { 'basin.name': 'nile', ready: true, none: null },
  or: [{ jobType: 'BASIC' }, { groups: 'hydro' }],
}
const query: JobQuery = flood.query().filter(filter).exclude({ parentId: 1 }).orderBy('-creationTime').slice(0, 10)
export const jobs: Job[] = await query
for await (const one of query) one.progress = 0.5
export const first: Job | null = await query.first()
export const count: number = await query.count({ cap: 10 })
await flood.listJobs({ user: 'ada', orderBy: 'name', filters: filter })
await flood.query().update({ description: 'd', tags: {} })

// @ts-expect-error an unknown filter
flood.query().filter({ nam: 'x' })
// @ts-expect-error a text where a number belongs
flood.query().filter({ id: '1' })
// @ts-expect-error a text where a time belongs
flood.query().filter({ startTimeBefore: '2026-01-01' })
// @ts-expect-error a form that the field does not have
flood.query().filter({ jobTypeContains: 'x' })
// @ts-expect-error a time has no form without After or Before
flood.query().filter({ creationTime: new Date() })
// @ts-expect-error a property that is no JSON value
flood.query().filter({ extendedProperties: { at: new Date() } })
// @ts-expect-error an undefined filter would be none at all
flood.query().filter({ user: undefined })
// @ts-expect-error an unknown order
flood.query().orderBy('user')
// @ts-expect-error a field that a query cannot update
await flood.query().update({ status: 'Running' })

// What a job has is read; only what may be changed can be set.
job.name = 'b'
job.parents = [1, 2]
job.onParentFailure = 'run'
job.extendedProperties.deep = { er: [1] }
export const started: Date | null = job.startTime
export const milliseconds: number | null = job.runTime
await job.updateStatus({ wait: 1000 })
await job.updateStatus('Half-way')
// @ts-expect-error the status is set by updateStatus()
job.status = 'Running'
// @ts-expect-error the owner stays
job.user = 'bob'
// @ts-expect-error progress is a number
job.progress = '50%'
// @ts-expect-error delete takes { stop }
await job.delete({ force: true })

// What is waited for: jobs, ids or a query.
const settled: Job = await job.done({ timeoutMs: 1000, signal: AbortSignal.timeout(5) })
const { done, notDone, gone }: Waited = await flood.wait([job, 7], { returnWhen: 'FIRST_EXCEPTION' })
for await (const one of flood.asCompleted(flood.query())) one.status
const { status, answered, ageMs }: { status: string; answered: boolean; ageMs: number | null } =
  await job.updateStatus()
export const waited = [settled, done, notDone, gone, status, answered, ageMs]
// @ts-expect-error an unknown way to return
await flood.wait([job], { returnWhen: 'SOMETIMES' })
// @ts-expect-error Dask's name of an option
await job.done({ timeout: 5 })
// @ts-expect-error what is a result is not known to the compiler
;(await job.result()).peak
await createTelesto({ adapters: [local], customStatuses: { Calibrating: 'running', Archived: 'terminal' } })
// @ts-expect-error a class of statuses that there is not
await createTelesto({ adapters: [local], customStatuses: { Calibrating: 'Running' } })

const surveys = (
  await createTelesto({
    adapters: [
      defineJobTypes('surveys', { SURVEY: z.strictObject({ region: z.string() }), REVIEW: z.strictObject({}) }),
    ],
  })
).app('rivers')
await surveys.createJob({ name: 'a', user: 'ada', jobType: 'REVIEW', groups: 'hydro' })
// @ts-expect-error an option of a type that has none
await surveys.createJob({ name: 'a', user: 'ada', jobType: 'REVIEW', region: 'north' })
const surveyed = await surveys.createJob({ name: 'a', user: 'ada', jobType: 'SURVEY', region: 'north' })
// @ts-expect-error without an option of its type
await surveys.createJob({ name: 'a', user: 'ada', jobType: 'SURVEY' })
await surveyed.updateParts([{ name: 'weir', state: 'running' }], { deriveStatus: true })
// @ts-expect-error a part has the states of the contract, not statuses
await surveyed.updateParts([{ name: 'weir', state: 'Running' }])

// --- jobs of HTCondor ---------------------------------------------------------------------------------------------------

const pool = (await createTelesto({ adapters: [htcondor, local] })).app('flood')
const NILE = { name: 'nile', user: 'ada', jobType: 'CONDOR', scheduler: 'compute' } as const
const onPool = await pool.createJob({
  ...NILE,
  executable: 'model.sh',
  arguments: ['--basin', 'nile'] as const,
  environment: { OMP_NUM_THREADS: '2' },
  requirements: 'Memory > 1024',
  periodicRemove: false,
  requestMemory: '2GB',
  condorpyTemplateName: 'vanilla_transfer_files',
  attributes: { '+Project': '"flood"', '+Basins': ['nile'], priority: 0, hold: false },
  numJobs: 20,
})
await pool.createJob({ ...NILE, arguments: '--seed $(Process)', queue: 20 })
await pool.createJob({ ...NILE, jobType: 'CONDORJOB', executable: 'model.sh' })
// @ts-expect-error the same options under the other name
await pool.createJob({ ...NILE, jobType: 'CONDORJOB', numJobs: '20' })
// @ts-expect-error there is no such template
await pool.createJob({ ...NILE, condorpyTemplateName: 'vanila' })
// @ts-expect-error an argument is a string
await pool.createJob({ ...NILE, arguments: [1] })
// @ts-expect-error a number of procs is a number
await pool.createJob({ ...NILE, numJobs: '20' })
// @ts-expect-error an option of condor_submit is an attribute
await pool.createJob({ ...NILE, submitOptions: ['-spool'] })
// @ts-expect-error an attribute is a text, a number, true, false or a list of texts
await pool.createJob({ ...NILE, attributes: { a: { b: 1 } } })
onPool.setAttribute('request_cpus', 2)
onPool.setAttribute('arguments', ['a', 'b'])
onPool.setAttribute('environment', { A: 'b' })
onPool.setAttribute('rank', undefined)
// @ts-expect-error a date is no value of an attribute
onPool.setAttribute('deferral_time', new Date())
export const cpus: AttributeValue = onPool.getAttribute('request_cpus')
