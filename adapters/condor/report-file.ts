import { type Given, isNo } from './given.js'

/**
 * The file that tells a job where it may report to, below the directory of its attempt. Where HTCondor moves files between machines,
 * it lies beside the job's own under the last part of this name.
 */
export const REPORT_FILE = '.telesto/telesto-report'
const NAME = 'telesto-report'

/** The variable that names it: where its text is a macro of HTCondor's, that is put in when the machine is chosen. */
interface ReportVariable {
  readonly value: string
  readonly macro: boolean
}

/**
 * The value of TELESTO_REPORT. Whether the job runs in its directory or in a scratch directory of another machine is known only when
 * HTCondor has chosen the machine: where it may be either, HTCondor puts in the one or the other then.
 */
export const reportVariable = (all: Given, directory: string): ReportVariable => {
  const here = `${directory}/${REPORT_FILE}`
  const transfer = `${all.get('should_transfer_files') ?? 'IF_NEEDED'}`.toUpperCase()
  const universe = `${all.get('universe') ?? ''}`.toLowerCase()
  if (isNo(transfer) || universe === 'local' || universe === 'scheduler') return { value: here, macro: false }
  if (/^(yes|true)$/i.test(transfer)) return { value: `$$(CondorScratchDir)/${NAME}`, macro: true }
  if (!/^[\w./~@+-]+$/.test(here)) return { value: here, macro: false }
  const fromScratch = `${'../'.repeat(32)}${here.slice(1)}`
  const either = `$$([ifThenElse(MY.FileSystemDomain=?=TARGET.FileSystemDomain,"${fromScratch}","${NAME}")])`
  return { value: `$$(CondorScratchDir)/${either}`, macro: true }
}
