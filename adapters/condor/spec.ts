import { z } from 'zod'
import { nameProblem } from './arguments.js'
import { COMMANDS, commandName, sameCommand, whyNotSettable } from './commands.js'
import { TEMPLATE_NAMES } from './templates.js'

/** More procs than this are no job but a campaign: make several jobs. */
export const MAX_PROCS = 10_000
const MAX_TEXT = 100_000
const MAX_KEYS = 1000

/** HTCondor's own text: one line, in which its macros mean something. */
const line = z
  .string()
  .max(MAX_TEXT, `must have at most ${MAX_TEXT} characters`)
  .refine((text) => !/[^\P{Cc}\t]/u.test(text), 'must be one line without control characters')
  .refine((text) => text.isWellFormed(), 'must be well-formed Unicode: it holds half of a surrogate pair')
  .refine(
    (text) => !text.trimEnd().endsWith('\\'),
    'must not end with a backslash, which would join the next line to it',
  )

const expression = z.union(
  [z.boolean(), z.number(), line],
  'must be an expression of HTCondor: one line of text, a number, true or false',
)
const amount = (unit: string) =>
  z.union([z.number().nonnegative(), line.min(1)], `must be a number (${unit}) or an expression of HTCondor`)

/** Data, which arrive as they are. */
const carried = z
  .string()
  .max(MAX_TEXT, `must have at most ${MAX_TEXT} characters`)
  .refine((text) => !/[\0\r]/.test(text), 'must have no NUL and no carriage return: HTCondor cannot carry them')
  .refine((text) => text.isWellFormed(), 'must be well-formed Unicode: it holds half of a surrogate pair')

const name = z
  .string()
  .max(4096, 'must have at most 4096 characters')
  .superRefine((text, context) => {
    const problem = nameProblem(text)
    if (problem) context.addIssue({ code: 'custom', message: `must be the name of a file; this one ${problem}` })
  })
const names = z.union([z.array(name).max(MAX_PROCS).readonly(), line], {
  error: 'must be a list of names of files, or one line as condor_submit takes it',
})

const path = line.refine(
  (text) => text === '/dev/null' || (text !== '' && !text.startsWith('/') && !text.split('/').includes('..')),
  'must be a path inside the directory of the job, without ".."',
)

type Problem<V> = (key: string, own: V, given: Readonly<Record<string, V>>) => string | undefined

/** Not z.record(), which leaves out a key "__proto__" without a word. */
const recordOf = <V extends z.ZodType>(
  value: V,
  keyProblem: (key: string) => string | undefined,
  problem: Problem<z.output<V>> = () => undefined,
) =>
  z
    .custom<Readonly<Record<string, z.output<V>>>>(
      (given) => typeof given === 'object' && given !== null && !Array.isArray(given),
      'must be an object of names and values',
    )
    .refine((given) => Object.keys(given).length <= MAX_KEYS, {
      error: `must have at most ${MAX_KEYS} names`,
      abort: true,
    })
    .superRefine((given, context) => {
      for (const [key, own] of Object.entries(given)) {
        const wrong = keyProblem(key) ?? value.safeParse(own).error?.issues[0]?.message
        const message = wrong ?? problem(key, own, given)
        if (message !== undefined) context.addIssue({ code: 'custom', message, path: [key] })
      }
    })

const environment = recordOf(carried, (key) => {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(key))
    return 'the name of a variable is made of letters, digits and _, and does not start with a digit'
  return key.startsWith('TELESTO_') ? 'this variable is set by Telesto' : undefined
})

const typed = {
  /**
   * The program. A relative path is a file that travels with the job: it is looked up in the job's workspace, then the app's. An
   * absolute path is a program on the scheduler's side.
   */
  executable: name.optional(),
  /**
   * A list: the arguments, each arriving byte for byte. A text: HTCondor's own line, with its macros: `--seed $(Process)`.
   */
  arguments: z
    .union(
      [z.array(carried).max(MAX_PROCS).readonly(), line],
      'must be a list of strings, or one line as condor_submit takes it',
    )
    .optional(),
  /** Variables that the job gets, each value arriving byte for byte. */
  environment: environment.optional(),
  /** Default: vanilla, as HTCondor has it. */
  universe: z
    .enum(['vanilla', 'local', 'scheduler', 'container', 'docker', 'parallel', 'java', 'grid', 'vm'])
    .optional(),
  /** Which machines may run it. */
  requirements: expression.optional(),
  /** Which of them it prefers. */
  rank: expression.optional(),
  requestCpus: amount('of CPUs').optional(),
  /** A number of MiB, or with a unit: '2GB'. */
  requestMemory: amount('of MiB').optional(),
  /** A number of KiB, or with a unit: '10GB'. */
  requestDisk: amount('of KiB').optional(),
  requestGpus: amount('of GPUs').optional(),
  /** Among the jobs of the same account; more is earlier. */
  priority: z.int().optional(),
  /** How often HTCondor itself runs a proc again that ended with an exit code other than 0. */
  maxRetries: z.int().min(0).max(1000).optional(),
  periodicHold: expression.optional(),
  periodicRelease: expression.optional(),
  periodicRemove: expression.optional(),
  /** A folder inside the job's directory: the procs start there, and write there. */
  initialDir: path.optional(),
  /** The file that is the job's standard input; it travels with the job. */
  input: path.optional(),
  /** Default: `out`, and for many procs `out.$(Process)`. */
  output: path.optional(),
  /** Default: `err`, and for many procs `err.$(Process)`. */
  error: path.optional(),
  /** An event log of your own, beside the one that Telesto keeps. */
  log: path.optional(),
  shouldTransferFiles: z.enum(['YES', 'NO', 'IF_NEEDED']).optional(),
  whenToTransferOutput: z.enum(['ON_EXIT', 'ON_EXIT_OR_EVICT', 'ON_SUCCESS']).optional(),
  transferExecutable: z.boolean().optional(),
  /**
   * What goes to the machine that runs the job. Default: all of `remoteInputFiles`, each keeping its path. A relative path travels
   * with the job, as `executable` does; an absolute path or a URL is HTCondor's.
   */
  transferInputFiles: names.optional(),
  /** What comes back. Default, as HTCondor has it: every file that the job made in the directory where it ran. */
  transferOutputFiles: names.optional(),
  /** A list of 'name = other', or HTCondor's own line with its quotes. */
  transferOutputRemaps: names.optional(),
} satisfies Record<keyof typeof COMMANDS, z.ZodType>

const value = z.union(
  [line, z.number(), z.boolean(), z.array(carried).max(MAX_PROCS).readonly()],
  'must be one line of text without control characters and without a backslash at its end, a number, true, false or a list of texts',
)

/** Commands that lead to files are checked as the options are; '' is none. */
const CHECKED = new Map(
  (['executable', 'initialDir', 'input', 'output', 'error', 'log'] as const).map((option) => [
    COMMANDS[option] as string,
    typed[option],
  ]),
)

const listProblem = (command: string, own: unknown): string | undefined => {
  if (command === 'environment' && typeof own !== 'string')
    return 'must be one line; variables as data are the option environment'
  if (!Array.isArray(own) || command === 'arguments' || command.startsWith('MY.')) return undefined
  const problem = own.map(nameProblem).find((found) => found !== undefined)
  return problem && `must be a list of names; one of them ${problem}`
}

const attributes = recordOf(
  value,
  (key) => {
    const why = whyNotSettable(key)
    return why && `it cannot be set: ${why}`
  },
  (key, own, given) => {
    const other = Object.keys(given).find((before) => sameCommand(before, key)) as string
    if (JSON.stringify(given[other]) !== JSON.stringify(own))
      return `it is the same command as ${other}, with another value: give one of them`
    if (own === '') return undefined
    const command = commandName(key)
    return CHECKED.get(command)?.safeParse(own).error?.issues[0]?.message ?? listProblem(command, own)
  },
)

const PROCS = `must be a whole number of procs from 1 to ${MAX_PROCS}`
const procs = z.int(PROCS).min(1, PROCS).max(MAX_PROCS, PROCS)

export const condorOptions = z.strictObject({
  ...typed,
  /** The values that a job starts with; everything else that is given has precedence. */
  condorpyTemplateName: z.enum(TEMPLATE_NAMES, `must be one of ${TEMPLATE_NAMES.join(', ')}`).optional(),
  /** How many procs; default 1. Each has its number in $(Process). */
  numJobs: procs.optional(),
  /** Another name of numJobs. */
  queue: procs.optional(),
  /**
   * Files and folders of this machine that travel into the job's directory: relative to the job's workspace, then the app's, and
   * keeping their path; or absolute inside one of these, keeping the last part of their name.
   */
  remoteInputFiles: z.array(name).max(MAX_PROCS).readonly().optional(),
  /** Any other command of condor_submit, and attributes of the job's ClassAd: `'+Project': '"flood"'`. */
  attributes: attributes.optional(),
})

/** A job of HTCondor: one or many procs. Its output is accepted as input again. */
export const condorSpec = condorOptions
  .superRefine(({ numJobs, queue }, context) => {
    if (numJobs !== undefined && queue !== undefined && numJobs !== queue)
      context.addIssue({ code: 'custom', message: 'it is another name of numJobs: give one of them', path: ['queue'] })
  })
  .transform(({ queue, numJobs = queue ?? 1, attributes: own = {}, ...rest }) => ({
    ...rest,
    numJobs,
    attributes: own,
  }))
export type CondorSpec = z.output<typeof condorSpec>
