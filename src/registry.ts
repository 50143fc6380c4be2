import type { z } from 'zod'
import type { Adapter } from './adapter.js'
import { TelestoError } from './errors.js'

/** A job type, with the adapter that runs it. */
export interface JobType {
  readonly name: string
  readonly adapter: Adapter
  readonly schema: z.ZodType
}

/** The adapters of one Telesto, and the job types that they bring. */
export interface Registry {
  readonly adapters: ReadonlyMap<string, Adapter>
  readonly jobTypes: ReadonlyMap<string, JobType>
  /** Resolves an alias. Throws TelestoError `unknown_job_type`, naming the types that exist. */
  jobType(name: unknown): JobType
}

/** Throws TelestoError `invalid` where two adapters claim one type, or one job type or alias is claimed twice. */
export const createRegistry = (list: readonly Adapter[]): Registry => {
  const adapters = new Map<string, Adapter>()
  const jobTypes = new Map<string, JobType>()
  const aliases = new Map<string, JobType>()
  const claim = (name: string): void => {
    if (!jobTypes.has(name) && !aliases.has(name)) return
    throw new TelestoError('invalid', `The job type ${name} is claimed twice. Pass each adapter once.`, {
      field: 'adapters',
    })
  }
  for (const adapter of list) {
    if (adapters.has(adapter.type)) {
      throw new TelestoError('invalid', `Two adapters have the type ${adapter.type}.`, { field: 'adapters' })
    }
    adapters.set(adapter.type, adapter)
    for (const [name, schema] of Object.entries(adapter.specs)) {
      claim(name)
      jobTypes.set(name, { name, adapter, schema })
    }
  }
  for (const adapter of list) {
    for (const [alias, name] of Object.entries(adapter.aliases ?? {})) {
      claim(alias)
      aliases.set(alias, jobTypes.get(name) as JobType)
    }
  }
  const known = [...jobTypes.keys(), ...aliases.keys()].join(', ')
  return {
    adapters,
    jobTypes,
    jobType(name) {
      const found = typeof name === 'string' ? (jobTypes.get(name) ?? aliases.get(name)) : undefined
      if (found) return found
      throw new TelestoError(
        'unknown_job_type',
        `There is no job type ${JSON.stringify(name) ?? name}. Known: ${known}.`,
        {
          field: 'jobType',
        },
      )
    },
  }
}

/** The first thing that zod found wrong, as a field path and a sentence. */
export const firstIssue = (
  error: z.ZodError,
): { readonly field: string; readonly message: string; readonly unknown: boolean } => {
  const issue = error.issues[0]
  if (issue === undefined) return { field: '', message: 'Invalid value', unknown: false }
  if (issue.code === 'unrecognized_keys') {
    const field = [...issue.path, issue.keys[0]].join('.')
    return { field, message: `There is no option ${JSON.stringify(field)}`, unknown: true }
  }
  return { field: issue.path.join('.'), message: issue.message, unknown: false }
}
