import type { AttributeValue, SpecAttributes } from '../../src/adapter.js'
import { COMMANDS, commandName, sameCommand } from './commands.js'
import { givenBy } from './given.js'
import { type CondorSpec, condorOptions } from './spec.js'

const plain = (name: string): string => name.toLowerCase().replaceAll('_', '')

/** Options that are no commands of condor_submit; `queue` is one, and tells how many. */
const OTHERS = new Map(
  (['numJobs', 'condorpyTemplateName', 'remoteInputFiles'] as const).map((option) => [plain(option), option] as const),
)
OTHERS.set('queue', 'numJobs')

const OPTION_OF = new Map(Object.entries(COMMANDS).map(([option, command]) => [command as string, option]))

/** The option that a name means, in whatever spelling: `request_cpus`, `RequestCpus`, `requestCpus`; undefined: an attribute. */
const optionOf = (name: string): keyof CondorSpec | undefined =>
  (OTHERS.get(plain(name)) ?? OPTION_OF.get(commandName(name))) as keyof CondorSpec | undefined

/** A spec without a value, whatever the spelling under which it has it. */
const without = (spec: CondorSpec, name: string, option: keyof CondorSpec | undefined): CondorSpec => {
  const attributes = Object.entries(spec.attributes).filter(([other]) => !sameCommand(other, name))
  const rest = Object.entries(spec).filter(([key]) => key !== option && key !== 'attributes')
  return { ...Object.fromEntries(rest), attributes: Object.fromEntries(attributes) } as CondorSpec
}

/** Where an option cannot hold the value, condor_submit's own text for example, it is kept as an attribute. */
const fits = (option: keyof CondorSpec, value: AttributeValue): boolean =>
  OTHERS.has(plain(option)) || condorOptions.shape[option as keyof typeof COMMANDS].safeParse(value).success

/** Attributes of a CONDOR job: every option and every command of condor_submit, in any spelling. */
export const condorAttributes: SpecAttributes = {
  get(spec, name) {
    const option = optionOf(name)
    if (option !== undefined && OTHERS.has(plain(option))) return (spec as CondorSpec)[option] as AttributeValue
    for (const [command, value] of givenBy(spec as CondorSpec)) if (sameCommand(command, name)) return value
    return undefined
  },
  set(spec, name, value) {
    const option = optionOf(name)
    const rest = without(spec as CondorSpec, name, option)
    if (value === undefined) return rest
    return option !== undefined && fits(option, value)
      ? { ...rest, [option]: value }
      : { ...rest, attributes: { ...rest.attributes, [name]: value } }
  },
}
