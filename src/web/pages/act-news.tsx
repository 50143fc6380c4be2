import { readPossible } from '../possible.js'
import type { Context } from '../route.js'
import { jobNews } from './job.js'
import { readJobData } from './job-data.js'
import { JobRow, rowId } from './job-row.js'
import { Notice, Partial, render } from './partial.js'

/** The answer to a button that htmx pressed: what is now of its job, and a sentence. */
export const answerPartial = async (
  context: Context,
  id: number,
  list: boolean,
  sentence: string,
  kind: 'done' | 'error',
): Promise<string> => {
  const { core, links, viewer } = context
  const notice = render(<Notice kind={kind}>{sentence}</Notice>)
  const job = await viewer.getJob(id)
  if (!job) return notice + render(<Partial target={rowId(id)} swap="delete" />)
  const possible = await readPossible(core)
  if (!list) return notice + jobNews(await readJobData(core, links, viewer.user, job, possible))
  return (
    notice +
    render(
      <Partial target={rowId(id)} swap="outerMorph">
        <JobRow job={job} possible={possible} links={links} />
      </Partial>,
    )
  )
}
