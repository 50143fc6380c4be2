import type { Core } from './core.js'
import { isComplete, isSettled, statusText } from './status.js'
import type { JobRow, WholeJob } from './store/jobs.js'

/** Why an order, or the collecting of results, is not finished yet; null where nothing hinders it. Pure. */
export const whatHinders = (core: Pick<Core, 'apps'>, job: WholeJob): string | null =>
  job.row.orderError ?? job.row.collectError ?? afterParent(job) ?? notHere(core, job.row)

/** One parent for which the job waits, as it is; the page of the job shows more of them. */
const afterParent = ({ row, parents }: WholeJob): string | null => {
  if (row.waitsFor === null || row.waitsForStatus === null) return null
  const { waitsForStatus: statusCode, waitsForCustom: customStatus, waitsForClass: statusClass } = row
  const one = `After job ${row.waitsFor} (${statusText({ statusCode, customStatus })})`
  const all = parents.length > 1 ? `, one of ${parents.length.toLocaleString('en')} parents` : ''
  const parent = { statusCode, statusClass }
  const failed = isSettled(parent) && !isComplete(parent)
  return `${one}${all}${failed && row.onParentFailure === 'wait' ? ': waits until that is resubmitted and Complete' : ''}`
}

/** Only a process that has declared a job's app, and registered its task, hands the job over. */
const notHere = ({ apps }: Pick<Core, 'apps'>, { app: name, task, orderName, handedOverAt }: JobRow): string | null => {
  if (orderName !== 'submit' || handedOverAt !== null) return null
  const app = apps.get(name)
  if (!app) return `This process has not declared the app ${name}; the job waits for one that has.`
  if (task === null || app.tasks.has(task)) return null
  return `This process has not registered the task ${JSON.stringify(task)} of the app ${name}; the job waits for one that has.`
}
