import path from 'node:path'
import { z } from 'zod'
import type { App, SchedulerSettingDeclaration } from './core.js'
import type { TaskDeclaration, Tasks } from './job-options.js'
import { check, type Task } from './options.js'
import type { ProcessResults } from './processing.js'

/** What telesto.app() takes. */
export interface AppOptions<T extends Tasks = Tasks> {
  /** Named slots to which an administrator assigns scheduler records; jobs name one as their `scheduler`. */
  readonly schedulerSettings?: Readonly<Record<string, SchedulerSettingDeclaration>>
  /** Functions that a job names in `processResults`. */
  readonly processResults?: Readonly<Record<string, ProcessResults>>
  /**
   * Modules whose `run` a job can name as its `task`, to be run in a process of its own: a file: URL, or that and a zod schema
   * of the input, which types and validates what createJob takes: `{ module: new URL('./analyse.js', import.meta.url), input }`.
   */
  readonly tasks?: T
  /** Where relative input files are looked up after the job's own workspace. @defaultValue the working directory */
  readonly workspace?: string
  /** Directories, beside the user's own in Telesto's, in which a job's `workspace` may lie. */
  readonly workspaceRoots?: readonly string[]
  /** The app's own page, which Telesto's pages link to: a path or an http(s) address. */
  readonly url?: string
  /** The app's page for the results of a job; `{id}` in it is replaced by the job's id. Linked once there are results. */
  readonly resultsUrl?: string
}

const address = z.string().regex(/^(\/(?!\/)|https?:\/\/)/, 'must be a path like /flood or an http(s) address')
const moduleUrl = z.custom<URL>((value) => value instanceof URL && value.protocol === 'file:')
const schema = z.custom<z.ZodType>((value) => typeof (value as z.ZodType | null)?.safeParse === 'function')
const appOptionsSchema = z.strictObject({
  schedulerSettings: z
    .record(
      z.string().min(1).max(255),
      z.strictObject({ adapter: z.string(), description: z.string().optional(), required: z.boolean().optional() }),
    )
    .optional(),
  processResults: z
    .record(
      z.string().min(1).max(255),
      z.custom<ProcessResults>((value) => typeof value === 'function', 'must be a function'),
    )
    .optional(),
  tasks: z
    .record(
      z.string().min(1).max(255),
      z.union([moduleUrl, z.strictObject({ module: moduleUrl, input: schema })], {
        error: 'must be a file: URL, or { module: a file: URL, input: a zod schema }',
      }),
    )
    .optional(),
  workspace: z.string().optional(),
  workspaceRoots: z.array(z.string()).optional(),
  url: address.optional(),
  resultsUrl: address.optional(),
})
const appName = z.string().regex(/^[\w.-]{1,255}$/, 'must have 1 to 255 letters, digits, _, . or -')

/** What an app calls when the results of one of its jobs are here, by name. */
export type Functions = Readonly<Record<string, ProcessResults>>

/** An app as it is declared, and its functions. Throws TelestoError that names the option. */
export const checkApp = (name: string, options: AppOptions): { readonly app: App; readonly functions: Functions } => {
  const checked = check(appOptionsSchema, options, 'options')
  const { schedulerSettings = {}, processResults = {}, tasks = {}, url, resultsUrl } = checked
  return {
    app: {
      name: check(appName, name, 'name'),
      schedulerSettings: schedulerSettings as App['schedulerSettings'],
      processResults: new Set(Object.keys(processResults)),
      tasks: new Map(Object.entries(tasks).map(([task, declared]) => [task, toTask(declared)])),
      workspace: path.resolve(checked.workspace ?? '.'),
      workspaceRoots: (checked.workspaceRoots ?? []).map((root) => path.resolve(root)),
      ...(url === undefined ? {} : { url }),
      ...(resultsUrl === undefined ? {} : { resultsUrl }),
    },
    functions: processResults,
  }
}

const toTask = (declared: TaskDeclaration): Task =>
  declared instanceof URL
    ? { module: declared.href, input: undefined }
    : { module: declared.module.href, input: declared.input }
