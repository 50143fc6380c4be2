import { readPossible } from '../possible.js'
import type { Context } from '../route.js'
import { JobRow, rowId } from './job-row.js'
import { Notice, Partial, render } from './partial.js'
import { shownJob } from './shown-job.js'

/** The answer to a button that htmx pressed: what is now of its job, and a sentence. */
export const answerPartial = async (
  context: Context,
  id: number,
  list: boolean,
  sentence: string,
  kind: 'done' | 'error',
): Promise<string> => {
  const { core, links, viewer } = context
  const moment = await context.moments.now()
  const notice = render(<Notice kind={kind}>{sentence}</Notice>)
  const job = await viewer.getJob(id)
  if (!job) return notice + render(<Partial target={rowId(id)} swap="delete" />)
  if (!list) return notice + (await shownJob(core, links, viewer.user, job, moment)).news.html
  const possible = await readPossible(core)
  return (
    notice +
    render(
      <Partial target={rowId(id)} swap="outerMorph">
        <JobRow job={job} possible={possible} links={links} />
      </Partial>,
    )
  )
}
