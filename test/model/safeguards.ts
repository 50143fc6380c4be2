// biome-ignore-all lint/suspicious/noTemplateCurlyInString: they are the sources of templates
import type { Replacement } from '../crash/safeguards.ts'

/** What each law rests on, one at a time, and how the sources look without it. */
export const SAFEGUARDS: Readonly<Record<string, readonly Replacement[]>> = {
  'the compare-and-set': [
    {
      file: 'src/store/transition.ts',
      text: `const VERSION = ['id', 'status_version', 'COALESCE(attempt_id, 0)']`,
      by: `const VERSION = ['id']`,
    },
  ],
  'the hand-over mark': [
    { file: 'src/engine/submit.ts', text: 'SET handed_over_at = $1, live = 1,', by: 'SET' },
    { file: 'src/engine/fates.ts', text: 'current.handedOverAt !== null &&', by: '' },
    {
      file: 'src/engine/fates.ts',
      text: 'nativeId,\n    live: 1,',
      by: 'nativeId,\n    handedOverAt: now,\n    live: 1,',
    },
  ],
  recover: [
    {
      file: 'src/engine/orders.ts',
      text: '[job, recovered(found.get(job.token))]',
      by: "[job, recovered('absent')]",
    },
  ],
  'retiring a token': [
    { file: 'src/engine/fates.ts', text: 'token: newToken(), handedOverAt: null', by: 'handedOverAt: null' },
  ],
  'cancelling strays': [
    { file: 'src/engine/orders.ts', text: 'await chaseStrays(work, plan.strays)', by: 'await chaseStrays(work, [])' },
  ],
  'cancelling what is resubmitted': [{ file: 'src/actions.ts', text: 'await retire(tx, rows, now)', by: '' }],
  'repeating a cancel': [{ file: 'src/engine/orders.ts', text: "await repeat(work, 'cancel', plan.cancel)", by: '' }],
  staleness: [{ file: 'src/decide.ts', text: 'if (asked <= job.statusChangedAt) return {}', by: '' }],
  'patience with gaps': [
    { file: 'src/decide.ts', text: 'export const LOST_AFTER_POLLS = 3', by: 'export const LOST_AFTER_POLLS = 1' },
  ],
  'an outage is no gap': [
    {
      file: 'src/engine/poll.ts',
      text: "observations: observations.filter((one) => one.report !== 'gap')",
      by: "observations: jobs.map((job) => ({ job, report: 'gap' as const, asked }))",
    },
  ],
  'one at a time': [
    {
      file: 'src/engine/lease.ts',
      text: ' AND ${place.until} <= ${database.now()}`',
      by: '`',
    },
  ],
  pace: [
    {
      file: 'src/engine/poll.ts',
      text: 'const next = Math.max(jitter(interval, Math.random()), shortestPause(record))',
      by: 'const next = 1000',
    },
  ],
  'results and Complete together': [
    { file: 'src/engine/collect.ts', text: 'if (done) await commit(tx)', by: 'await commit(tx)' },
  ],
  'watching the lost': [
    {
      file: 'src/store/transition.ts',
      text: '{ watchDueAt: now, watchUntil: now + LOST_WATCH_MS }',
      by: '{ watchDueAt: null }',
    },
  ],
  'waiting for parents': [
    { file: 'src/engine/plan.ts', text: "const FREE = 'a.waits_for IS NULL'", by: "const FREE = '1 = 1'" },
  ],
}
