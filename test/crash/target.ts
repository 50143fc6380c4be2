import type { JobOptions, SchedulerWish } from './protocol.ts'
import type { Repertoire, Story } from './story.ts'

// What the jobs of a run are run by, and the witness of what became of them: someone other than the store that is judged.

/** How one process of a job ended, as far as the witness can tell. */
export type Ending = 'succeeded' | 'failed' | 'cancelled' | 'unknown'

/** A process of a job: most have one, some of HTCondor's have several. */
export interface Proc {
  readonly ending: Ending
  /** Where it ended by itself. */
  readonly exitCode?: number
}

/** One acceptance of one attempt. A token that has two of them was handed over twice. */
export interface Run {
  readonly token: string
  /** What the witness calls it. */
  readonly id: string
  /** From when to when it ran, in numbers that grow in the order of a job's runs; absent where it never ran. */
  readonly from?: number
  readonly until?: number
  /** In seconds since 1970. */
  readonly startedAt?: number
  readonly endedAt?: number
  /** In order. */
  readonly procs: readonly Proc[]
  /** Someone saw the end; otherwise there is only the job's own last word, after which it may still have been killed. */
  readonly seenEnd: boolean
}

/** An attempt, as far as its directory and its token go. */
export interface Place {
  readonly token: string
  readonly workdir: string
}

export interface Target {
  /** What a server tells Telesto of it. */
  readonly scheduler: SchedulerWish
  readonly repertoire: Repertoire
  /** Seconds that a lease of a server may last: two thirds of it are the time of a call. */
  readonly leaseSeconds: number
  /** Jobs that are under way at once: more only make two cores wait. */
  readonly underWay: number
  /** What createJob is told beside the name. */
  optionsOf(story: Pick<Story, 'key' | 'behaviours' | 'procs'>): JobOptions
  /** What the witness calls what the store knows by this native id. */
  idOf(nativeId: string): string
  /** Whether someone who hands it over has taken its token: recover() does so too, to give it up. */
  isClaimed(attempt: Place): boolean
  /** All that was accepted, by the jobs' keys. */
  runs(keys: readonly string[]): Promise<ReadonlyMap<string, readonly Run[]>>
  /** Jobs that are still there, each in words. */
  alive(): Promise<readonly string[]>
  /** Ids of jobs that have a directory there, beside those in Telesto's own. */
  directories(): readonly number[]
  /** Cuts every connection to it that is open now; absent where there is none. */
  readonly cut?: () => void
  /** Ends all jobs that are left. */
  clear(): Promise<void>
  stop(): Promise<void>
}
