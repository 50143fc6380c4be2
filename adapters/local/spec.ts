import { z } from 'zod'
import { staysInside } from './inputs.js'

const carried = (what: string) =>
  z
    .string({ error: `${what} must be a string.` })
    .refine((text) => !text.includes('\0'), { error: `${what} cannot contain NUL.` })
    .refine((text) => text.isWellFormed(), { error: `${what} must be valid Unicode (it holds half a surrogate pair).` })

const SHAPE = 'The command must be an array of strings: the program, then its arguments.'

const program = carried('The command').refine((text) => text !== '' && !text.startsWith('-'), {
  error: 'The command must name a program: not empty, and not starting with "-" (write "./-name" for such a file).',
})

/** Names that a shell keeps for itself, or that Telesto sets. */
const RESERVED = /^(TELESTO_.*|PPID|UID|EUID|GROUPS|SHELLOPTS|BASHOPTS|BASH_VERSINFO|IFS|OPTIND|_)$/

const environment = z
  .record(z.string(), carried('The value of an environment variable'))
  .superRefine((env, context) => {
    for (const name of Object.keys(env)) {
      const message = !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)
        ? 'The name of an environment variable is made of letters, digits and _, and does not start with a digit.'
        : RESERVED.test(name)
          ? 'This environment variable is reserved and cannot be set.'
          : undefined
      if (message) context.addIssue({ code: 'custom', message, path: [name] })
    }
  })

/** Typed by hand: a list of constants, `['./model.sh'] as const`, is a command too. */
const command = z
  .array(z.unknown(), { error: SHAPE })
  .nonempty({ error: SHAPE })
  .pipe(z.tuple([program], carried('An argument'), { error: SHAPE })) as unknown as z.ZodType<
  [string, ...string[]],
  readonly string[]
>

/**
 * A command on this machine, run in the job's directory without a shell; or a task of the app, run in a process of its own
 * by this Node. With neither, the job's status is the app's and the callback's to set.
 */
export const basicSpec = z
  .strictObject({
    /**
     * The program and its arguments, passed on byte for byte. A program without a slash is looked for in PATH, a relative one
     * with a slash in the job's workspace, then the app's.
     */
    command: command.optional(),
    /** The name of a task that the app has registered. */
    task: z.string().min(1).max(255).optional(),
    /** What the task is given: JSON, or what the schema registered with it takes. */
    input: z.unknown().optional(),
    /** Added to the job's environment, which is otherwise only PATH, HOME, the user's name, the locale and the like. */
    env: environment.optional(),
    /**
     * Files to copy into the job's directory before it starts, as relative paths: each is looked up in the job's workspace,
     * then the app's, and keeps its path.
     */
    inputFiles: z
      .array(
        carried('An input file').refine(staysInside, {
          error:
            'An input file is named by a relative path without "..", looked up in the workspace of the job, then of the app.',
        }),
      )
      .max(1000)
      .optional(),
  })
  .superRefine((spec, context) => {
    const wrong = (field: string, message: string) => context.addIssue({ code: 'custom', message, path: [field] })
    if (spec.command !== undefined && spec.task !== undefined)
      wrong('task', 'A job runs a command or a task: give one of them.')
    if (spec.input !== undefined && spec.task === undefined)
      wrong('input', 'There is an input only for a task: name it with the option task.')
  })
export type BasicSpec = z.output<typeof basicSpec>
