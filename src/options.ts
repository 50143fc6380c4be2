import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { RESERVED_OPTIONS } from './adapter.js'
import { TelestoError } from './errors.js'
import { checkGraph } from './graph.js'
import type { JobOptions } from './job-options.js'
import { firstIssue, type JobType, type Registry } from './registry.js'

const CONTROL = /\p{Cc}/u
const wellFormed = (text: string): boolean => text.isWellFormed()
/** One line of text: no control characters, no half of a surrogate pair. */
export const line = (max: number) =>
  z
    .string()
    .min(1, `must have 1 to ${max} characters`)
    .max(max, `must have 1 to ${max} characters`)
    .refine((text) => !CONTROL.test(text), 'must have no control characters')
    .refine(wellFormed, 'must be well-formed Unicode: it holds half of a surrogate pair')
    .meta({ pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f]*$' })
export const prose = (max: number) =>
  z
    .string()
    .max(max, `must have at most ${max} characters`)
    .refine((text) => !text.includes('\0'), 'must have no NUL character')
    .refine(wellFormed, 'must be well-formed Unicode: it holds half of a surrogate pair')
    .meta({ pattern: '^[^\\u0000]*$' })

/** What JSON spells as an escape and no database stores as text: NUL, and half of a surrogate pair. */
const UNSTORABLE = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f]..)/

/**
 * The value as JSON text; throws TelestoError `invalid` for what JSON cannot carry unchanged (dates, undefined, NaN, cycles),
 * and for texts that no database stores.
 */
export const toJson = (value: unknown, field: string): string => {
  const wrong = (cause?: unknown) =>
    new TelestoError(
      'invalid',
      `${field} must be JSON: objects, arrays, strings, finite numbers, true, false and null only.`,
      {
        field,
        cause,
      },
    )
  let json: string | undefined
  try {
    json = JSON.stringify(value)
  } catch (error) {
    throw wrong(error)
  }
  if (json === undefined || !isDeepStrictEqual(JSON.parse(json), value)) throw wrong()
  if (UNSTORABLE.test(json)) {
    throw new TelestoError(
      'invalid',
      `${field} must have no NUL character, and no half of a surrogate pair, in its texts.`,
      {
        field,
      },
    )
  }
  return json
}

export const isPlainObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && [Object.prototype, null].includes(Object.getPrototypeOf(value))
/** Not z.record(), which leaves out a key "__proto__" without a word. */
const jsonObject = z
  .custom<Record<string, unknown>>(isPlainObject, 'must be a plain object')
  .transform((value) => ({ ...value }))

/** Fields that a caller may change on a job, each with its rule. */
export const FIELDS = {
  name: line(1024),
  description: prose(2048),
  statusMessage: prose(2048).nullable(),
  progress: z.number().min(0).max(1).nullable(),
  groups: z
    .union([line(255).transform((group) => [group]), z.array(line(255)).max(1000)], {
      error: 'must be a group or a list of groups, each of 1 to 255 characters without control characters',
    })
    .transform((groups) => [...new Set(groups)]),
  tags: z.record(line(255), prose(1024)),
  extendedProperties: jsonObject,
  parents: z
    .array(z.int())
    .max(10_000)
    .transform((ids) => [...new Set(ids)]),
  onParentFailure: z.enum(['abort', 'wait', 'run']),
} as const

const common = z.strictObject({
  name: FIELDS.name,
  user: line(255),
  description: FIELDS.description.default(''),
  groups: FIELDS.groups.default([]),
  scheduler: z
    .union([line(255), z.object({ id: z.int(), name: z.string() })], {
      error: 'must be the name of a scheduler setting of the app, or a record given by getScheduler()',
    })
    .optional(),
  extendedProperties: jsonObject.default({}),
  processResults: line(255).optional(),
  parents: FIELDS.parents.default([]),
  onParentFailure: FIELDS.onParentFailure.default('abort'),
  after: FIELDS.parents.default([]),
  tags: FIELDS.tags.default({}),
  workspace: z.string().max(1024).optional(),
})
export type CommonOptions = z.output<typeof common>
const COMMON_KEYS: ReadonlySet<string> = new Set(RESERVED_OPTIONS)

/** Validates one value; throws TelestoError `invalid` or `unknown_field` that names the field. */
export const check = <S extends z.ZodType>(schema: S, value: unknown, field = ''): z.output<S> => {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const issue = firstIssue(result.error)
  const name = [field, issue.field].filter((part) => part !== '').join('.')
  if (issue.unknown) throw new TelestoError('unknown_field', `${issue.message}.`, { field: name })
  throw new TelestoError('invalid', `${name || 'The value'}: ${issue.message}.`, { field: name })
}

export interface CheckedOptions {
  readonly jobType: JobType
  readonly common: CommonOptions
  /** The output of the job type's schema, as JSON. */
  readonly spec: string
  readonly needsScheduler: boolean
  /** The name of the task that it runs. */
  readonly task: string | null
}

/** A task as it was registered: where its module is, and the schema of its input; undefined: any JSON. */
export interface Task {
  readonly module: string
  readonly input: z.ZodType | undefined
}

/** What the jobs of an app may name. */
interface Registered {
  readonly name: string
  readonly tasks: ReadonlyMap<string, Task>
  readonly processResults: ReadonlySet<string>
}

/**
 * Validates what createJob was given: the common options by Telesto, the rest by the schema of the job type, and the input of a
 * task by what the app registered with it.
 */
export const checkOptions = (
  registry: Registry,
  app: Registered,
  options: JobOptions & { readonly jobType: string },
): CheckedOptions => {
  if (typeof options !== 'object' || options === null) {
    throw new TelestoError('invalid', 'createJob takes an object of options.', { field: 'options' })
  }
  const jobType = registry.jobType(options.jobType)
  const own = Object.entries(options).filter(([, value]) => value !== undefined)
  const shared = Object.fromEntries(own.filter(([key]) => COMMON_KEYS.has(key) && key !== 'jobType'))
  const specific = Object.fromEntries(own.filter(([key]) => !COMMON_KEYS.has(key)))
  const checked = check(common, shared)
  toJson(checked.extendedProperties, 'extendedProperties')
  const shape = (jobType.schema as { readonly shape?: object }).shape
  const unknown = shape ? Object.keys(specific).find((key) => !Object.hasOwn(shape, key)) : undefined
  if (unknown !== undefined) {
    throw new TelestoError(
      'unknown_field',
      `There is no option ${JSON.stringify(unknown)} of the job type ${jobType.name}.`,
      {
        field: unknown,
      },
    )
  }
  const { task, spec } = withTask(app, check(jobType.schema, specific))
  checkGraph(jobType.adapter.graph?.(jobType.name, spec) ?? [])
  if (checked.processResults !== undefined && !app.processResults.has(checked.processResults))
    throw notRegistered(app, 'processResults', checked.processResults)
  return {
    jobType,
    common: checked,
    spec: toJson(spec, `the spec of ${jobType.name}`),
    needsScheduler: jobType.adapter.needsScheduler?.(jobType.name, spec) ?? true,
    task,
  }
}

/** The task that a spec names, and the spec with what the schema of its input puts out. */
const withTask = (app: Registered, spec: unknown): { readonly task: string | null; readonly spec: unknown } => {
  const name = (spec as { readonly task?: unknown } | null)?.task
  if (typeof name !== 'string') return { task: null, spec }
  const task = app.tasks.get(name)
  if (!task) throw notRegistered(app, 'tasks', name)
  const given = (spec as { readonly input?: unknown }).input
  const input = task.input ? check(task.input, given, 'input') : given
  if (input !== undefined) toJson(input, 'input')
  const { input: _, ...rest } = spec as { readonly input?: unknown }
  return { task: name, spec: input === undefined ? rest : { ...rest, input } }
}

const NAMED = {
  tasks: { code: 'unknown_task', field: 'task', word: 'task' },
  processResults: { code: 'unknown_process_results', field: 'processResults', word: 'function' },
} as const

const notRegistered = (app: Registered, option: keyof typeof NAMED, name: string): TelestoError => {
  const { code, field, word } = NAMED[option]
  const known = [...app[option].keys()].join(', ') || 'none'
  const remedy = `Register it: telesto.app(${JSON.stringify(app.name)}, { ${option}: { … } }).`
  const message = `The app ${app.name} has no ${word} ${JSON.stringify(name)}. Registered: ${known}. ${remedy}`
  return new TelestoError(code, message, { field })
}
