import { z } from 'zod'
import { nameProblem } from './arguments.js'
import { COMMANDS, commandName, whyNotSettable } from './commands.js'
import { TEMPLATE_NAMES } from './templates.js'

/** More procs than this are no job but a campaign: make several jobs. */
export const MAX_PROCS = 10_000

const LINE = 'must be one line without control characters, and not end with a backslash, which would join the next line'
const isLine = (text: string): boolean =>
  !/[^\P{Cc}\t]/u.test(text) && text.isWellFormed() && !text.trimEnd().endsWith('\\')

/** HTCondor's own text: one line, in which its macros mean something. */
const line = z.string().max(100_000).refine(isLine, LINE)
/** A ClassAd expression. */
const expression = z.union(
  [z.boolean(), z.number(), line],
  'must be an expression of HTCondor: text, a number, true or false',
)
const name = z.string().superRefine((text, context) => {
  const problem = nameProblem(text)
  if (problem) context.addIssue({ code: 'custom', message: `must be the name of a file; this one ${problem}` })
})
const names = z.union(
  [z.array(name).max(MAX_PROCS), line],
  'must be a list of names, or one line as condor_submit takes it',
)

const carried = z
  .string()
  .refine((text) => !/[\0\r]/.test(text), 'must have no NUL and no carriage return: HTCondor cannot carry them')
  .refine((text) => text.isWellFormed(), 'must be well-formed Unicode: it holds half of a surrogate pair')

const amount = (unit: string) =>
  z.union([z.number().nonnegative(), line.min(1)], `must be a number (${unit}) or an expression of HTCondor`)

const inside = (text: string): boolean => !text.startsWith('/') && !text.split('/').includes('..')
const path = line
  .min(1)
  .refine(
    (text) => inside(text) || text === '/dev/null',
    'must be a path inside the directory of the job, without ".."',
  )

const variableNames = (variables: object, context: z.core.$RefinementCtx): void => {
  for (const variable of Object.keys(variables)) {
    const message = !/^[A-Za-z_][A-Za-z0-9_]*$/.test(variable)
      ? 'is no name of an environment variable: letters, digits and _, not starting with a digit'
      : variable.startsWith('TELESTO_')
        ? 'is reserved: Telesto sets it'
        : undefined
    if (message) context.addIssue({ code: 'custom', message, path: [variable] })
  }
}

const value = z.union(
  [line, z.number(), z.boolean(), z.array(carried.refine((item) => item.length <= 100_000)).max(MAX_PROCS)],
  `must be text, a number, true, false or a list of texts; text ${LINE}`,
)

const attributes = z.record(z.string(), value).superRefine((given, context) => {
  const seen = new Map<string, { readonly key: string; readonly value: unknown }>()
  const wrong = (key: string, message: string) => context.addIssue({ code: 'custom', message, path: [key] })
  for (const [key, own] of Object.entries(given)) {
    const why = whyNotSettable(key)
    if (why) wrong(key, `cannot be set here. ${why}`)
    const command = commandName(key)
    const before = seen.get(command)
    if (before && JSON.stringify(before.value) !== JSON.stringify(own))
      wrong(key, `is the same command as ${before.key}, with another value: give one of them`)
    seen.set(command, { key, value: own })
    const schema = CHECKED[command]
    const wrongs = schema ? schema.safeParse(own).error?.issues : undefined
    if (wrongs?.[0]) wrong(key, wrongs[0].message)
    else if (Array.isArray(own) && command !== 'arguments') {
      const problem = own.map(nameProblem).find((found) => found !== undefined)
      if (problem && !command.startsWith('my.')) wrong(key, `has an item that ${problem}`)
    }
  }
})

const typed = {
  /**
   * The program. A relative path is a file that travels with the job: it is looked up in the job's workspace, then the app's. An
   * absolute one is a program of the machines that run the job.
   */
  executable: name.optional(),
  /**
   * A list: the arguments, each arriving byte for byte. A text: HTCondor's own line, with its macros: `--seed $(Process)`.
   */
  arguments: z
    .union([z.array(carried).max(MAX_PROCS), line], 'must be a list of strings, or one line as condor_submit takes it')
    .optional(),
  /** Variables that the job gets, each value arriving byte for byte. */
  environment: z.record(z.string(), carried).superRefine(variableNames).optional(),
  universe: z
    .enum(['vanilla', 'local', 'scheduler', 'container', 'docker', 'parallel', 'java', 'grid', 'vm'])
    .optional(),
  /** Which machines may run it: a ClassAd expression, as HTCondor takes it. */
  requirements: expression.optional(),
  rank: expression.optional(),
  requestCpus: amount('of CPUs').optional(),
  /** A number of MiB, or with a unit: '2GB'. */
  requestMemory: amount('of MiB').optional(),
  /** A number of KiB, or with a unit: '10GB'. */
  requestDisk: amount('of KiB').optional(),
  requestGpus: amount('of GPUs').optional(),
  /** Among the own jobs in the queue; more is earlier. */
  priority: z.int().optional(),
  /** How often HTCondor itself runs a proc again that ended with an exit code other than 0. */
  maxRetries: z.int().min(0).max(1000).optional(),
  periodicHold: expression.optional(),
  periodicRelease: expression.optional(),
  periodicRemove: expression.optional(),
  /** A folder inside the job's directory in which the job starts, and to which the other paths are relative. */
  initialDir: path.optional(),
  /** The file that the job reads as its standard input. */
  input: path.optional(),
  output: path.optional(),
  error: path.optional(),
  /** An event log of your own, beside the one that Telesto keeps. */
  log: path.optional(),
  shouldTransferFiles: z.enum(['YES', 'NO', 'IF_NEEDED']).optional(),
  whenToTransferOutput: z.enum(['ON_EXIT', 'ON_EXIT_OR_EVICT', 'ON_SUCCESS']).optional(),
  transferExecutable: z.boolean().optional(),
  /**
   * What goes to the machine that runs the job. Default: all of `remoteInputFiles`. A relative path is looked up in the job's
   * workspace, then the app's, and travels with the job; an absolute path or an URL is HTCondor's.
   */
  transferInputFiles: names.optional(),
  /** What comes back. Default, as HTCondor's: every file that the job made in its directory. */
  transferOutputFiles: names.optional(),
  transferOutputRemaps: line.optional(),
} satisfies Record<keyof typeof COMMANDS, z.ZodType>

/** What a command of a typed option may be, also where it is given as an attribute. */
const CHECKED: Readonly<Record<string, z.ZodType>> = Object.fromEntries(
  (['executable', 'initialDir', 'output', 'error', 'log', 'input'] as const).map((option) => [
    COMMANDS[option],
    typed[option],
  ]),
)

const procs = z.int().min(1, `must be 1 to ${MAX_PROCS}`).max(MAX_PROCS, `must be 1 to ${MAX_PROCS}`)

/** A job of HTCondor: one or many procs. */
export const condorSpec = z
  .strictObject({
    ...typed,
    /** The values that a job starts with; everything else given has precedence. */
    condorpyTemplateName: z.enum(TEMPLATE_NAMES).optional(),
    /** How many procs. */
    numJobs: procs.optional(),
    /** Another name of numJobs. */
    queue: procs.optional(),
    /**
     * Files and folders of this machine that go into the job's directory on the scheduler's: relative to the job's workspace, then
     * the app's, or absolute inside one of them.
     */
    remoteInputFiles: z.array(name).max(MAX_PROCS).optional(),
    /** Any other command of condor_submit, and attributes of the job's ClassAd: `'+Project'`. */
    attributes: attributes.optional(),
  })
  .superRefine(({ numJobs, queue }, context) => {
    if (numJobs !== undefined && queue !== undefined && numJobs !== queue)
      context.addIssue({ code: 'custom', message: 'is another name of numJobs: give one of them', path: ['queue'] })
  })
  .transform(({ queue, numJobs = queue ?? 1, attributes: own = {}, ...rest }) => ({
    ...rest,
    numJobs,
    attributes: own,
  }))
export type CondorSpec = z.output<typeof condorSpec>
export type AttributeValue = z.output<typeof value>
