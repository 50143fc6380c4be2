import type { AttributeValue, SpecAttributes } from './adapter.js'
import type { Core } from './core.js'
import { TelestoError } from './errors.js'
import { check, toJson } from './options.js'
import type { JobType } from './registry.js'

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
