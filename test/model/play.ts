import { type Command, describe, type Story } from './commands.ts'
import { happen } from './happen.ts'
import { check, restless } from './invariants.ts'
import type { ModelJob } from './model.ts'
import { ask, askAll, create, set, tell } from './people.ts'
import { LawBroken, Run } from './run.ts'
import type { Store } from './store.ts'

/** In so much time, with everything healthy, all comes to rest: longer than any pause that is kept after a failure. */
const REST_MS = 3 * 3_600_000
const DAY_MS = 24 * 3_600_000

/** Plays one story, and holds the laws against it after each step and at the end. Throws LawBroken. */
export const play = async (store: Store, story: Story, told?: (line: string) => void): Promise<void> => {
  const random = Math.random
  const run = await Run.begin(store, story.setup)
  const began = store.now
  const line = (text: string): void => told?.(`t=${store.now - began} ${text}`)
  if (told) run.tell = told
  told?.(`the scheduler: ${JSON.stringify(story.setup)}`)
  try {
    for (const command of story.commands) {
      line(describe(command, (job) => `job ${jobOf(run, job)?.number ?? '-'}`))
      await perform(run, command)
      await check(run)
    }
    line('everything is healthy again, and whatever is wanted runs to its end')
    await rest(run)
    line('all is at rest')
  } finally {
    Math.random = random
    for (const engine of run.all) engine.crash()
  }
}

const jobOf = (run: Run, index: number): ModelJob | undefined => run.jobs[index % run.jobs.length]

const perform = async (run: Run, command: Command): Promise<void> => {
  const { world } = run
  const job = 'job' in command ? jobOf(run, command.job) : undefined
  switch (command.do) {
    case 'create':
      return await create(run, command)
    case 'ask':
      return job && (await ask(run, job, command.action))
    case 'all':
      return await askAll(run, command.action)
    case 'set':
      return job && (await set(run, job, command.text))
    case 'report':
      return job && (await tell(run, job, command))
    case 'poke':
      return run.current(command.who).pokes.job(command.unknown ? 4711 : (job?.id ?? 0))
    case 'limits':
      return await limit(run, command.most, command.perUser)
    case 'world':
      return job && happen(run, job, command.what)
    case 'forget all':
      for (const one of world.jobs.values()) Object.assign(one, { known: false, recorded: command.recorded })
      return
    case 'outage':
      world.outages.push({ kind: command.kind, method: command.method, left: command.calls })
      return
    case 'heal':
      world.outages.length = 0
      return
    case 'arrive':
      for (const arrive of world.travelling.splice(0)) arrive()
      return await run.still()
    case 'pass':
      return await run.pass(command.ms)
    case 'live':
      return void (await run.live(command.ms))
    case 'run':
      return await run.step(command.who, command.effects, command.pick)
    case 'crash':
      return run.crash(command.who)
    case 'close':
      return await run.close(command.who)
  }
}

const limit = async (run: Run, most: number | null, perUser: number | null): Promise<void> => {
  await run.core.database.write(
    async (tx) =>
      void (await tx.run('UPDATE telesto_schedulers SET max_active_jobs = $1, max_active_jobs_per_user = $2', [
        most,
        perUser,
      ])),
  )
}

/** Nothing is lost, nothing runs twice, nothing is stuck; and then nobody asks the scheduler any more. */
const rest = async (run: Run): Promise<void> => {
  const { world } = run
  world.outages.length = 0
  // By design, an answer that mentions none of several jobs is an outage and ends none of them: all but one are found again.
  const forgotten = [...world.jobs.values()].filter((one) => !world.remembers(one) && !run.isSettled(one))
  for (const job of forgotten.slice(1)) Object.assign(job, { known: true, recorded: true })
  world.prompt = (job) => run.wants(job)
  for (const arrive of world.travelling.splice(0)) arrive()
  await run.still()
  let why: string | undefined
  const reached = await run.live(REST_MS, async () => {
    why = await restless(run)
    return why === undefined
  })
  if (!reached) throw new LawBroken(why ?? 'stuck')
  if (run.jobs.some(({ cause }) => cause === 'lost')) return // It is watched for a day.
  const { calls } = world
  await run.live(DAY_MS)
  if (world.calls > calls)
    throw new LawBroken(`wrong: nothing is active, and the scheduler is asked ${world.calls - calls} times`)
}
