import { defineAdapter, type JobReport, type NativeId, type Scheduler, type Token } from 'telesto'
import { z } from 'zod'

/** A scheduler in this process, which answers at once: what is left is the core's own cost. */
export interface Instant {
  readonly adapter: ReturnType<typeof adapterOf>
  /** What jobs may report with, by the address that they were given. */
  readonly reports: ReadonlyMap<string, string>
  readonly counts: { calls: number; polls: number; submitted: number; cpuMs: number }
  /** One job in so many changes its state with each poll; 0: none does. */
  changing: number
}

export const instant = (): Instant => {
  const reports = new Map<string, string>()
  const counts = { calls: 0, polls: 0, submitted: 0, cpuMs: 0 }
  const state = { changing: 0 }
  const scheduler: Scheduler = {
    async submit(jobs) {
      counts.calls++
      const accepted = new Map<Token, NativeId>()
      for (const { token, report } of jobs) {
        if (report) reports.set(report.url, report.token)
        accepted.set(token, String(counts.submitted++))
      }
      return accepted
    },
    async status(jobs) {
      const before = process.cpuUsage()
      counts.calls++
      const turn = counts.polls++
      const answer = new Map<Token, JobReport>()
      for (const { token, nativeId } of jobs) {
        // Each job in its turn goes back and forth between running and queued.
        const turns = state.changing === 0 ? 0 : Math.floor((turn + Number(nativeId)) / state.changing)
        answer.set(token, turns % 2 === 0 ? RUNNING : QUEUED)
      }
      const { user, system } = process.cpuUsage(before)
      counts.cpuMs += (user + system) / 1000
      return answer
    },
    async cancel(jobs) {
      counts.calls++
      return new Map(jobs.map(({ token }) => [token, 'ok']))
    },
    async close() {},
  }
  return Object.assign(state, { adapter: adapterOf(scheduler), reports, counts })
}

const RUNNING: JobReport = { state: 'running', nativeState: 'R' }
const QUEUED: JobReport = { state: 'queued', nativeState: 'PD' }

const adapterOf = (scheduler: Scheduler) =>
  defineAdapter({
    type: 'instant',
    label: 'A scheduler that answers at once',
    config: z.strictObject({}),
    secrets: [],
    specs: { INSTANT: z.strictObject({ argument: z.string().default('') }) },
    defaults: { pollSeconds: 1, maxIdsPerPoll: 1_000_000, maxSubmitsPerMinute: 1_000_000 },
    connect: () => scheduler,
  })
