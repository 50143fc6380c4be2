/** What a template sets, by the names of condor_submit's commands. */
export type Template = Readonly<Record<string, string>>

// As in condorpy, without what it leaves empty, and without its initialdir: every attempt has a directory of its own.
const base: Template = {
  logdir: 'logs',
  log: '$(logdir)/$(job_name).$(cluster).log',
  output: '$(logdir)/$(job_name).$(cluster).$(process).out',
  error: '$(logdir)/$(job_name).$(cluster).$(process).err',
}
const vanilla: Template = { ...base, universe: 'vanilla' }

export const TEMPLATE_NAMES = ['base', 'vanilla_base', 'vanilla_transfer_files', 'vanilla_nfs'] as const
export type TemplateName = (typeof TEMPLATE_NAMES)[number]

export const TEMPLATES: Readonly<Record<TemplateName, Template>> = {
  base,
  vanilla_base: vanilla,
  vanilla_transfer_files: {
    ...vanilla,
    transfer_executable: 'TRUE',
    should_transfer_files: 'YES',
    when_to_transfer_output: 'ON_EXIT_OR_EVICT',
  },
  vanilla_nfs: vanilla,
}
