/** The typed options of a CONDOR job, each with the command of condor_submit that it is. */
export const COMMANDS = {
  executable: 'executable',
  arguments: 'arguments',
  environment: 'environment',
  universe: 'universe',
  requirements: 'requirements',
  rank: 'rank',
  requestCpus: 'request_cpus',
  requestMemory: 'request_memory',
  requestDisk: 'request_disk',
  requestGpus: 'request_gpus',
  priority: 'priority',
  maxRetries: 'max_retries',
  periodicHold: 'periodic_hold',
  periodicRelease: 'periodic_release',
  periodicRemove: 'periodic_remove',
  initialDir: 'initialdir',
  input: 'input',
  output: 'output',
  error: 'error',
  log: 'log',
  shouldTransferFiles: 'should_transfer_files',
  whenToTransferOutput: 'when_to_transfer_output',
  transferExecutable: 'transfer_executable',
  transferInputFiles: 'transfer_input_files',
  transferOutputFiles: 'transfer_output_files',
  transferOutputRemaps: 'transfer_output_remaps',
} as const
export type TypedOption = keyof typeof COMMANDS

/** Other names under which condor_submit takes a command, in lower case and without underscores. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  args: 'arguments',
  arguments2: 'arguments',
  env: 'environment',
  environment2: 'environment',
  cmd: 'executable',
  jobuniverse: 'universe',
  preferences: 'rank',
  prio: 'priority',
  jobprio: 'priority',
  jobmaxretries: 'max_retries',
  iwd: 'initialdir',
  jobiwd: 'initialdir',
  stdin: 'input',
  stdout: 'output',
  stderr: 'error',
  userlog: 'log',
  jobbatchname: 'batch_name',
  dagmannodeslog: 'dagman_log',
  dagmanjobid: 'dagman_job_id',
  materializemaxidle: 'max_idle',
}
const BY_PLAIN_NAME = new Map([
  ...Object.values(COMMANDS).map((command) => [command.replaceAll('_', ''), command] as const),
  ...Object.entries(OTHER_NAMES),
])

/**
 * The one name of a command, whatever spelling it is given in: `RequestCpus` and `request_cpus` are one, so are `args` and
 * `arguments`. An attribute of the job's ClassAd, `+Project`, is `MY.Project`.
 */
export const commandName = (name: string): string => {
  const attribute = /^(?:\+|my\.)(.*)$/i.exec(name)?.[1]
  if (attribute !== undefined) return `MY.${attribute}`
  const lower = name.toLowerCase()
  const plain = lower.replaceAll('_', '')
  return BY_PLAIN_NAME.get(plain) ?? lower
}

/** Whether two names are one command: the case of a ClassAd's attributes does not matter either. */
export const sameCommand = (one: string, other: string): boolean =>
  commandName(one).toLowerCase() === commandName(other).toLowerCase()

const OWNED: readonly (readonly [names: string, why: string])[] = [
  ['queue', 'how many procs a job has is told by the option numJobs'],
  ['if elif else endif include use warning', 'it is a word of the submit language, not a command'],
  ['max_idle max_materialize', 'all procs of a job are made at once'],
  [
    'dagman_log my.dagmannodeslog my.userlog',
    'Telesto watches the job by it; an event log of your own is the option log',
  ],
  ['my.iwd remote_initialdir', 'each attempt has a directory of its own; a folder in it is the option initialDir'],
  [
    'my.cmd my.clusterid my.procid my.jobstatus my.globaljobid my.owner my.user dagman_job_id my.dagmanjobid',
    'HTCondor itself sets it',
  ],
]
const WHY_OWNED = new Map(OWNED.flatMap(([names, why]) => names.split(' ').map((name) => [name, why] as const)))

/** Why a command cannot be set as an attribute; undefined: it can. */
export const whyNotSettable = (name: string): string | undefined => {
  if (!/^(\+|my\.)?[a-z_][a-z0-9_]*$/i.test(name))
    return 'a command is made of letters, digits and _; an attribute of the ClassAd has + or MY. before that'
  const command = commandName(name).toLowerCase()
  if (command.startsWith('my.telesto') || command.startsWith('telesto')) return 'names with telesto are its own'
  return WHY_OWNED.get(command)
}
