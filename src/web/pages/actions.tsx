import type { Job } from '../../job.js'
import type { Links } from '../links.js'
import { BUTTONS, type Button, type Possible } from '../possible.js'

const LABELS: Readonly<Record<Button, string>> = {
  execute: 'Run',
  resume: 'Resume',
  pause: 'Pause',
  stop: 'Stop',
  collect: 'Collect again',
  resubmit: 'Resubmit',
  delete: 'Delete',
}
/** What cannot be undone is asked about. The sentences hold no text of a user's. */
const QUESTIONS: Partial<Readonly<Record<Button, (id: number) => string>>> = {
  stop: (id) => `Stop job ${id}?`,
  delete: (id) => `Delete job ${id} and its files for ever?`,
}

/** One form for each action: it works without script, and with script the page stays where it is. */
export const Actions = ({
  job,
  possible,
  links,
}: {
  readonly job: Job
  readonly possible: Possible
  readonly links: Links
}) => {
  const now = possible(job)
  return (
    <div class="actions">
      {BUTTONS.filter((button) => now.includes(button)).map((button) => {
        const question = QUESTIONS[button]?.(job.id)
        const path = links.action(job.id, button)
        return (
          <form
            key={button}
            method="post"
            action={path}
            hx-post={path}
            hx-swap="none"
            {...(question === undefined ? {} : { 'hx-confirm': question })}
          >
            <button type="submit" class={button} aria-label={`${LABELS[button]} job ${job.id}`}>
              {LABELS[button]}
            </button>
          </form>
        )
      })}
    </div>
  )
}

/** What is said after it was asked for. */
export const doneMessage = (id: number, action: string): string => {
  const asked: Readonly<Record<string, string>> = {
    execute: `Job ${id} is on its way.`,
    stop: `Job ${id} is being stopped.`,
    pause: `Job ${id} is being paused.`,
    resume: `Job ${id} is being resumed.`,
    collect: `The results of job ${id} are being collected again.`,
    resubmit: `Job ${id} runs again.`,
    delete: `Job ${id} was deleted.`,
  }
  return asked[action] ?? `Job ${id} was asked to ${action}.`
}
