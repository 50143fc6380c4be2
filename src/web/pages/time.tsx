import type { Job } from '../../job.js'

/** A moment, to the minute, or `exact` to the second. Written in UTC, and by the pages' script in the zone of the browser. */
export const Time = ({ at, exact }: { readonly at: Date | number | null; readonly exact?: boolean }) => {
  if (at === null) return <span class="none">–</span>
  const iso = new Date(at).toISOString()
  return (
    <time dateTime={iso} {...(exact ? { 'data-exact': '' } : {})}>
      {`${iso.slice(0, exact ? 19 : 16).replace('T', ' ')} UTC`}
    </time>
  )
}

/** A length of time; while it is `growing` the script counts on. */
export const Elapsed = ({ ms, growing }: { readonly ms: number | null; readonly growing: boolean }) => {
  if (ms === null) return <span class="none">–</span>
  const whole = Math.floor(ms / 1000) * 1000
  return <span {...(growing ? { 'data-elapsed': whole } : {})}>{duration(whole)}</span>
}

/** How long a job runs or ran; nothing while it has not begun, since it waits until then. */
export const RunTime = ({ job }: { readonly job: Job }) => {
  const waits = job.isActive && job.startTime === null
  return <Elapsed ms={waits ? null : job.runTime} growing={job.isActive} />
}

/** "12 s", "3 min 12 s", "1 h 02 min", "2 d 3 h". The script writes the same. */
export const duration = (ms: number): string => {
  const seconds = Math.floor(ms / 1000)
  const two = (value: number): string => String(value).padStart(2, '0')
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${two(seconds % 60)} s`
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ${two(Math.floor((seconds % 3600) / 60))} min`
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3600)} h`
}

/** How long ago, in its largest unit; the script counts on. */
export const Age = ({ ms }: { readonly ms: number }) => {
  const age = Math.max(0, Math.floor(ms / 1000) * 1000)
  return <span data-age={age}>{ago(age)}</span>
}

/** "just now", "5 min ago", "3 h ago", "2 d ago". The script writes the same. */
export const ago = (ms: number): string => {
  const minutes = Math.floor(ms / 60_000)
  if (minutes < 1) return 'just now'
  if (minutes < 60) return `${minutes} min ago`
  if (minutes < 1440) return `${Math.floor(minutes / 60)} h ago`
  return `${Math.floor(minutes / 1440)} d ago`
}
