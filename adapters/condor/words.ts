import { SchedulerError, type SchedulerErrorCode } from '../../src/adapter.js'

/** The longest words of HTCondor that are handed on. */
const MAX_WORDS = 2000

// What HTCondor 23.9 says where a daemon is away: "Failed to connect to local queue manager", "Can't find address of local schedd", "Failed to
// fetch ads from: <127.0.0.1:9618…>", "SECMAN:2007:Failed to end classad message.", "No result found for job 1.0" (condor_rm).
const AWAY =
  /Failed to connect|Can't find address|Can't connect|Failed to fetch ads|SECMAN:20(03|07|11)|CEDAR:|No result found|condor_\w+: (command )?not found|condor_schedd is not\s+running/
/** "SECMAN:2010:Received "DENIED" from server", "AUTHENTICATE:1003:Failed to authenticate with any method". */
const REFUSED = /AUTHENTICATE:|\bDENIED\b|Failed to authenticate/
/** "Number of submitted jobs would exceed MAX_JOBS_PER_OWNER", "Failed to commit job submission into the queue." (a submit requirement). */
const LIMITS = /would exceed|MAX_JOBS|Failed to commit|Permission denied|not allowed|not authorized|quota/i
const FULL = /No space left|Disk quota exceeded|Read-only file system/i

/** The words in which HTCondor says what is wrong, without its warnings. */
export const wordsOf = (stderr: string): string => {
  const text = stderr.replaceAll('\0', '').trim()
  const error = text.search(/^ERROR\b/m)
  return (error < 0 ? text : text.slice(error)).replaceAll(/\n\s*/g, '\n').slice(0, MAX_WORDS)
}

const outage = (stderr: string): SchedulerErrorCode | undefined =>
  FULL.test(stderr) ? 'unavailable' : REFUSED.test(stderr) ? 'auth' : AWAY.test(stderr) ? 'unavailable' : undefined

/** Why HTCondor could not be asked; `protocol` where its words tell of no outage. Pure. */
export const notAsked = (what: string, stderr: string): SchedulerError => {
  const words = wordsOf(stderr)
  return new SchedulerError(
    outage(stderr) ?? 'protocol',
    words === '' ? `${what} failed without a word.` : `${what}: ${words}`,
  )
}

/** Why condor_submit refused one job: for ever, unless its words tell of an outage. Pure. */
export const refusal = (stderr: string): SchedulerError => {
  const words = wordsOf(stderr)
  const code = outage(stderr) ?? (LIMITS.test(stderr) ? 'rejected' : 'invalid_job')
  return new SchedulerError(
    code,
    words === '' ? 'condor_submit refused the job without a word.' : `condor_submit: ${words}`,
  )
}
