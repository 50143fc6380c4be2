import { mkdirSync, renameSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { History, Request } from './history.ts'
import type { Action, Snapshot } from './protocol.ts'
import type { Random } from './random.ts'
import type { Outcome, Passing, ServerProcess } from './server-process.ts'
import type { Step, Story } from './story.ts'
import type { Target } from './target.ts'

/** Requests that wait for an answer at once. */
const AT_ONCE = 4
const LIST_EVERY_MS = 120
/** While a directory is away, the database's clock is put forward now and then: nobody waits two minutes to lose a job. */
const FORWARD_EVERY_MS = 1000
const FORWARD_MS = 65_000

type Moment = 'accepted' | 'ending' | 'collecting'

interface Told {
  readonly story: Story
  readonly requests: Request[]
  readonly unmounted: number[]
  id: number
  next: number
  /** What the API said last; "gone" where it shows no such job. */
  seen: Snapshot | 'gone' | undefined
  /** A request of it was not answered: what came of it is looked up first. */
  doubtful: boolean
  busy: boolean
  /** When it was last asked or answered: what was listed before that is old. */
  touched: number
  /** When the moment of the next step came. */
  since: number | undefined
  /** The moments that have come for its present attempt. */
  readonly moments: Set<Moment>
}

/** Tells every job its story through whichever server is up, and remembers what was asked and what was acknowledged. */
export interface Driver {
  readonly histories: readonly History[]
  readonly clockAhead: number
  /** Asks this server as well from now on. */
  use(server: ServerProcess): void
  lose(server: ServerProcess): void
  passing(passing: Passing): void
  /** Takes what steps can be taken now; at most `allowed` jobs are created in all. Called every few milliseconds. */
  tick(allowed: number): void
  /** Called when a request is sent, and when one is acknowledged. */
  onRequest: ((when: 'sent' | 'acknowledged', action: Action, by: ServerProcess) => void) | undefined
  /** Requests that were not answered, and turned out to have been carried out. */
  readonly madeUnseen: number
  /** Steps are left. */
  readonly open: boolean
  /** Grows with every step that is done. */
  readonly done: number
  describe(): string
}

export const createDriver = (
  stories: readonly Story[],
  directory: string,
  target: Pick<Target, 'optionsOf' | 'underWay'>,
  random: Random,
  /** Something that no request may answer. */
  surprise: (what: string) => void,
): Driver => {
  const jobs: Told[] = stories.map((story) => ({
    story,
    requests: [],
    unmounted: [],
    id: 0,
    next: 0,
    seen: undefined,
    doubtful: false,
    busy: false,
    touched: 0,
    since: undefined,
    moments: new Set(),
  }))
  const byId = new Map<number, Told>()
  const servers: ServerProcess[] = []
  let listing = false
  let listedAt = 0
  let clockAhead = 0
  let forwardedAt = 0
  let madeUnseen = 0

  const anyServer = (): ServerProcess | undefined => (servers.length > 1 ? random.pick(servers) : servers[0])
  const isOver = (job: Told): boolean => job.next >= job.story.steps.length || (job.seen === 'gone' && job.next > 0)
  const advance = (job: Told): void => {
    job.next++
    job.since = undefined
  }
  const current = (job: Told): number => (job.seen === 'gone' ? 0 : (job.seen?.attempt ?? 0))
  /** The directory of the attempt that is, or will be, taken away; and where it is meanwhile. */
  const home = (job: Told): string => join(directory, 'jobs', 'crash', 'ann', String(job.id), String(job.unmounted[0]))
  const away = (job: Told): string => join(directory, 'away', `${job.id}-${job.unmounted[0]}`)
  const hasTaken = (job: Told, take: Step['take']): boolean =>
    job.story.steps.slice(0, job.next).some((step) => step.take === take)

  /** The moment of a step has come; "past" where it never will. */
  const moment = (job: Told, { take, when }: Step): boolean | 'past' => {
    const seen = job.seen
    if (when === 'at once' || seen === undefined || seen === 'gone') return true
    const settled = seen.settled && take !== 'delete' ? 'past' : seen.settled
    if (when === 'settled') return seen.settled
    if (when === 'running') return seen.status === 'Running' || settled
    // Of several processes some may have ended before.
    if (when === 'paused') return (/Paused|Various/.test(seen.status) && seen.order === null) || settled
    if (when === 'lost') return seen.settled && seen.cause === 'lost'
    return job.moments.has(when) || settled
  }

  const ask = (job: Told, action: Action, stop = false): void => {
    const { story } = job
    const request: Request = { action, attempt: current(job), stop, outcome: 'unknown' }
    job.requests.push(request)
    job.busy = true
    job.touched = performance.now()
    const by = anyServer()
    if (!by) return
    const wanted = { key: story.key, options: target.optionsOf(story), processed: story.processed }
    const question = action === 'create' ? { action, job: wanted } : { action, id: job.id, stop }
    driver.onRequest?.('sent', action, by)
    void by.ask(question).then((outcome) => answered(job, request, outcome, by))
  }

  const answered = (job: Told, request: Request, outcome: Outcome, by: ServerProcess): void => {
    job.busy = false
    job.touched = performance.now()
    // The store may have gone in the middle of the commit.
    const isOpen = outcome.outcome === 'refused' && outcome.code === 'database_unusable'
    request.outcome = isOpen ? 'unknown' : outcome.outcome
    if (isOpen || outcome.outcome === 'unknown') {
      job.doubtful = true
      return
    }
    if (outcome.outcome === 'refused') {
      if (outcome.code === 'unexpected') surprise(`${job.story.key} ${request.action}: ${outcome.message}`)
      if (outcome.code === 'not_found') job.seen = 'gone'
      // The moment was missed: a step that its job's status does not allow is left out; the others wait for theirs.
      else if (outcome.code === 'action_not_allowed' && isStep(job, request) && request.action !== 'resubmit')
        advance(job)
      return
    }
    const [seen] = outcome.jobs
    if (request.action === 'delete') job.seen = 'gone'
    else see(job, seen)
    if (isStep(job, request)) advance(job)
    if (servers.includes(by)) driver.onRequest?.('acknowledged', request.action, by)
  }
  /** A stop may also be asked outside the story. */
  const isStep = (job: Told, { action }: Request): boolean => job.story.steps[job.next]?.take === action

  const see = (job: Told, seen: Snapshot | undefined): void => {
    if (!seen) return
    if (current(job) !== seen.attempt) job.moments.clear()
    job.seen = seen
    job.id = seen.id
    byId.set(seen.id, job)
  }

  /** What became of a request that nobody answered, by what the API shows now. It may be asked again. */
  const resolve = (job: Told): void => {
    job.doubtful = false
    const last = job.requests.at(-1)
    if (!last || !isStep(job, last)) return
    const happened =
      (last.action === 'create' && job.id > 0) ||
      ((last.action === 'execute' || last.action === 'resubmit') && current(job) > last.attempt)
    if (happened) {
      madeUnseen++
      advance(job)
    }
  }

  const list = (): void => {
    const by = anyServer()
    if (!by) return
    const behindAll = jobs.some(({ doubtful }) => doubtful)
    const sentAt = performance.now()
    listing = true
    listedAt = sentAt
    void by.ask({ action: 'list', behindAll }).then((outcome) => {
      listing = false
      if (outcome.outcome !== 'done') return
      const shown = new Map(outcome.jobs.map((one) => [one.key, one]))
      for (const job of jobs) {
        if (job.busy || job.touched >= sentAt || job.requests.length === 0) continue
        const seen = shown.get(job.story.key)
        if (seen) see(job, seen)
        else if (job.id > 0) job.seen = 'gone'
        if (job.doubtful && behindAll) resolve(job)
      }
    })
  }

  /** Takes the directory of a job away, or brings it back. */
  const move = (job: Told, from: string, to: string): void => {
    mkdirSync(dirname(to), { recursive: true })
    renameSync(from, to)
    advance(job)
  }

  const take = (job: Told, step: Step): void => {
    if (step.take === 'unmount') {
      job.unmounted.push(current(job))
      forwardedAt = performance.now()
      move(job, home(job), away(job))
    } else if (step.take === 'mount') move(job, away(job), home(job))
    else ask(job, step.take, step.stop)
  }

  const stepOf = (job: Told): void => {
    const step = job.story.steps[job.next] as Step
    const now = performance.now()
    const due = moment(job, step)
    if (due === 'past') {
      advance(job)
      return
    }
    if (due) job.since ??= now
    if (job.since !== undefined && now >= job.since + step.after) take(job, step)
  }

  /** Its scheduler found the job again before it was resubmitted: it runs, and has to be stopped first. */
  const isBack = (job: Told): boolean =>
    hasTaken(job, 'mount') &&
    job.story.steps[job.next]?.take === 'resubmit' &&
    typeof job.seen === 'object' &&
    job.seen.attempt === 1 &&
    !job.seen.settled &&
    job.seen.order !== 'cancel'

  const forward = (): void => {
    const isAway = jobs.some((job) => hasTaken(job, 'unmount') && !hasTaken(job, 'mount'))
    if (!isAway || performance.now() < forwardedAt + FORWARD_EVERY_MS) return
    forwardedAt = performance.now()
    clockAhead += FORWARD_MS
    for (const server of servers) server.tell({ clockAhead })
  }

  const driver: Driver = {
    histories: jobs,
    onRequest: undefined,
    get clockAhead() {
      return clockAhead
    },
    get madeUnseen() {
      return madeUnseen
    },
    get done() {
      return jobs.reduce((sum, { next }) => sum + next, 0)
    },
    get open() {
      return jobs.some((job) => !isOver(job) || job.busy || job.doubtful)
    },
    use(server) {
      servers.push(server)
      // What it was started with may be old.
      server.tell({ clockAhead })
      if (!listing) list()
    },
    lose(server) {
      if (servers.includes(server)) servers.splice(servers.indexOf(server), 1)
    },
    passing({ at, ids, ended }) {
      const note = (which: readonly number[], what: Moment): void => {
        for (const id of which) {
          const job = byId.get(id)
          if (!job) continue
          job.moments.add(what)
          // At once: the next tick may be too late.
          if (
            !job.busy &&
            !job.doubtful &&
            job.story.steps[job.next]?.when === what &&
            !isOver(job) &&
            servers.length > 0
          )
            stepOf(job)
        }
      }
      if (at === 'submitted') note(ids, 'accepted')
      if (at === 'answered') note(ended ?? [], 'ending')
      if (at === 'collecting') note(ids, 'collecting')
    },
    tick(allowed) {
      if (servers.length === 0) return
      if (!listing && performance.now() >= listedAt + LIST_EVERY_MS) list()
      forward()
      const begun = jobs.filter((job) => job.requests.length > 0)
      const open = begun.filter((job) => !isOver(job))
      const fresh = jobs[begun.length]
      if (fresh && begun.length < allowed && open.length < target.underWay) open.push(fresh)
      const free = open.filter((job) => !job.busy && !job.doubtful)
      while (free.length > 0 && jobs.filter((job) => job.busy).length < AT_ONCE) {
        const [job] = free.splice(random.between(0, free.length - 1), 1) as [Told]
        if (isBack(job)) ask(job, 'stop')
        else stepOf(job)
      }
    },
    describe: () =>
      jobs
        .filter((job) => !isOver(job))
        .map((job) => `${job.story.key} waits to ${job.story.steps[job.next]?.take}: ${JSON.stringify(job.seen)}`)
        .join('\n'),
  }
  return driver
}
