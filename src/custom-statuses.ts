import { z } from 'zod'
import { isPlainObject, line } from './options.js'
import {
  activeStatuses,
  nonTerminalStatuses,
  preRunningStatuses,
  runningStatuses,
  STATUS_CLASSES,
  type StatusClass,
  statusCodeOf,
  terminalStatuses,
} from './status.js'

/** The texts that this Telesto's apps use as statuses, each with what it means. */
export type CustomStatuses = ReadonlyMap<string, StatusClass>

const text = line(255).refine((given) => statusCodeOf(given) === undefined, 'is the name or code of a standard status')
const statusClass = z.enum(STATUS_CLASSES, `must be one of ${STATUS_CLASSES.join(', ')}`)

/** The option of createTelesto(). Entry by entry: z.record() would leave out a text "__proto__" without a word. */
export const customStatusesSchema = z
  .custom<Readonly<Record<string, StatusClass>>>(isPlainObject, 'must be an object of texts and their classes')
  .superRefine((given, context) => {
    for (const [status, meaning] of Object.entries(given)) {
      for (const { error } of [text.safeParse(status), statusClass.safeParse(meaning)]) {
        const message = error?.issues[0]?.message
        if (message !== undefined) context.addIssue({ code: 'custom', path: [status], message })
      }
    }
  })

/** Tethys' categories with the texts of one Telesto in them. */
export interface StatusCategories {
  readonly preRunningStatuses: readonly string[]
  readonly runningStatuses: readonly string[]
  readonly activeStatuses: readonly string[]
  readonly nonTerminalStatuses: readonly string[]
  readonly terminalStatuses: readonly string[]
}

export const statusCategories = (custom: CustomStatuses): StatusCategories => {
  const texts = (...classes: readonly StatusClass[]) =>
    [...custom].filter(([, meaning]) => classes.includes(meaning)).map(([status]) => status)
  return {
    preRunningStatuses: [...preRunningStatuses, ...texts('pre-running')],
    runningStatuses: [...runningStatuses, ...texts('running')],
    activeStatuses: [...activeStatuses, ...texts('running', 'active')],
    nonTerminalStatuses: [...nonTerminalStatuses, ...texts('pre-running', 'running', 'active')],
    terminalStatuses: [...terminalStatuses, ...texts('terminal')],
  }
}
