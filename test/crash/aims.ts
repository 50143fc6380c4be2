import type { Action, Point } from './protocol.ts'
import type { Random } from './random.ts'
import { WINDOWS, type Window, type Windows } from './windows.ts'

/** What a kill waits for: a place in the server, a request on its way or acknowledged, or nothing. */
export type Aim =
  | { readonly at: Point }
  | { readonly when: 'sent' | 'acknowledged'; readonly action: Action }
  | 'any moment'

const AIMS: Readonly<Record<Window, readonly Aim[]>> = {
  'order committed': [{ when: 'acknowledged', action: 'execute' }],
  'handed over': [{ at: 'submitting' }, { at: 'recovering' }],
  'accepted but not stored': [{ at: 'submitted' }],
  polled: [{ at: 'asking' }, { at: 'answered' }],
  collecting: [{ at: 'collecting' }],
  deleting: [{ at: 'cleaning' }, { when: 'acknowledged', action: 'delete' }],
  'between attempts': [{ when: 'acknowledged', action: 'resubmit' }],
}
const ALSO: readonly Aim[] = [
  { at: 'cancelling' },
  ...(['create', 'execute', 'stop', 'pause', 'resume', 'resubmit', 'delete'] as const).map(
    (action): Aim => ({ when: 'sent', action }),
  ),
]
/** The rarer a window, the more likely it is aimed at; a third of the kills are aimed at nothing. */
export const chooseAim = (random: Random, windows: Windows): Aim => {
  if (random.chance(0.3)) return 'any moment'
  if (random.chance(0.15)) return random.pick(ALSO)
  const weights = Object.fromEntries(WINDOWS.map((window) => [window, 1 / (1 + windows[window]) ** 2]))
  return random.pick(AIMS[random.weighted(weights) as Window])
}
