import type { AttributeValue, SpecAttributes } from './adapter.js'
import type { Core } from './core.js'
import { TelestoError } from './errors.js'
import { check, toJson } from './options.js'
import type { JobType } from './registry.js'
import type { JobRow } from './store/jobs.js'

const attributesOf = ({ name, adapter }: JobType): SpecAttributes => {
  const attributes = adapter.attributes?.[name]
  if (attributes) return attributes
  const message = `Jobs of the type ${name} have no attributes: their options are in job.spec.`
  throw new TelestoError('not_supported', message, { field: 'attributes' })
}

/** The value that a spec has under a name. Throws `not_supported` where the job type has no attributes. */
export const readAttribute = (core: Core, jobType: string, spec: unknown, name: string): AttributeValue =>
  attributesOf(core.registry.jobType(jobType)).get(spec, name)

/** The spec with another value under a name, as JSON. Throws as createJob() does for a value that is wrong there. */
export const withAttribute = (
  core: Core,
  jobType: string,
  spec: unknown,
  name: string,
  value: AttributeValue,
): string => {
  const type = core.registry.jobType(jobType)
  const changed = attributesOf(type).set(spec, name, value)
  return toJson(check(type.schema, changed), `the spec of ${type.name}`)
}

/** What a job runs is settled once it was executed. Throws `action_not_allowed`. */
export const refuseExecuted = (row: Pick<JobRow, 'id' | 'executeTime' | 'attemptId'>): void => {
  if (row.executeTime === null && row.attemptId === null) return
  const message = `Job ${row.id} was executed: its attributes can no longer be changed. Create another job.`
  throw new TelestoError('action_not_allowed', message, { field: 'attributes' })
}
