import type { Job } from '../../job.js'
import type { EventKind } from '../../store/events.js'
import type { Links } from '../links.js'
import { type ListParams, listOf } from '../list.js'
import { JobRow, rowId } from '../pages/job-row.js'
import { ListLinks } from '../pages/list-links.js'
import { Partial, partialOf, render } from '../pages/partial.js'
import type { Batch, Changes } from './batch.js'
import { MAX_SHOWN, shownIds } from './ids.js'
import type { LiveView } from './live.js'
import type { News } from './sink.js'

/** So many new rows come one by one; more, and the page reads its list again. */
const MAX_INSERTED = 20

/** A page of a list: its rows are kept as they are now, and what is new and matches comes on top or is told of. */
export const jobsView = (links: Links, search: string, params: ListParams, ids: string): LiveView => {
  const list = new ListLinks(links.jobs, search)
  const shown = new Set(shownIds(ids))
  const missed = new Set<number>()
  let stale = false

  const matching = async (batch: Batch): Promise<readonly Job[]> => {
    // A job that was there before enters the list only where the list asks for a status.
    const enters = (kinds: ReadonlySet<EventKind>): boolean =>
      kinds.has('created') || (params.status !== undefined && (kinds.has('status') || kinds.has('label')))
    const candidates = [...batch.changes].filter(([, kinds]) => enters(kinds)).map(([id]) => id)
    if (candidates.every((id) => shown.has(id))) return []
    const found = await batch.once(`list ${list.search}`, async () => {
      const jobs = await listOf(batch.viewer, params).all.filter({ id: candidates }).slice(0, MAX_SHOWN)
      return jobs.filter((job) => job.can('read'))
    })
    return found.filter((job) => !shown.has(job.id))
  }
  const row = async (batch: Batch, job: Job): Promise<string> =>
    await batch.onceFor(job, `row ${links.base}`, async () => {
      const possible = await batch.possible()
      return render(<JobRow job={job} possible={possible} links={links} />)
    })

  return {
    shows: (changes) => (stale ? [] : changedAmong(shown, changes)),
    async news(batch): Promise<News | undefined> {
      if (stale) return undefined
      const fresh = await matching(batch)
      const asked = listOf(batch.viewer, params)
      const sorted = asked.order === '-creationTime' || asked.order === '-id'
      const inserts =
        sorted && asked.offset === 0 ? fresh.filter((job) => batch.changes.get(job.id)?.has('created')) : []
      if (
        (fresh.length > 0 && shown.size === 0) ||
        inserts.length > MAX_INSERTED ||
        shown.size + inserts.length > MAX_SHOWN
      ) {
        stale = true
        return { refresh: true }
      }
      const html: string[] = []
      const jobs = await batch.shown()
      for (const id of changedAmong(shown, batch.changes)) {
        const job = jobs.get(id)
        if (job) html.push(partialOf(rowId(id), 'outerMorph', await row(batch, job)))
        else {
          shown.delete(id)
          html.push(render(<Partial target={rowId(id)} swap="delete" />))
        }
      }
      for (const job of inserts.toSorted((a, b) => a.id - b.id)) {
        shown.add(job.id)
        html.push(partialOf('rows', 'afterbegin', await row(batch, job)))
      }
      // What is newest is on the first page: a later one has nothing to tell of it.
      const later = sorted && asked.offset > 0
      const more = fresh.filter((job) => !later && !inserts.includes(job) && !missed.has(job.id))
      for (const job of more) missed.add(job.id)
      if (more.length > 0) html.push(render(<More count={missed.size} href={list.self} />))
      return html.length === 0 ? undefined : { html: html.join('') }
    },
  }
}

const More = ({ count, href }: { readonly count: number; readonly href: string }) => (
  <Partial target="news" swap="innerHTML">
    <p class="notice">
      {count === 1 ? 'One more job belongs in this list. ' : `${count} more jobs belong in this list. `}
      <a href={href}>Show</a>
    </p>
  </Partial>
)

const changedAmong = (shown: ReadonlySet<number>, changes: Changes): number[] =>
  shown.size < changes.size
    ? [...shown].filter((id) => changes.has(id))
    : [...changes.keys()].filter((id) => shown.has(id))
