import { posix } from 'node:path'
import { literalName } from './arguments.js'
import { expandForEach, type Given, invalid, isNo } from './given.js'
import type { CondorSpec } from './spec.js'

/** Where a file of this machine goes, in the job's directory: a relative path stays, of an absolute one the last part does. */
export const destinationOf = (name: string): string =>
  (name.startsWith('/') ? posix.basename(name) : posix.normalize(name)).replace(/\/+$/, '')

const isUrl = (name: string): boolean => /^[a-z][a-z0-9+.-]*:\/\//i.test(name)

/** A file that a job names as an input. */
interface Named {
  /** As condor_submit is told of it. */
  readonly text: string
  /** Its names on this machine, where they are known: it travels with the job. */
  readonly ships: readonly string[]
}

const named = (command: string, text: string, literal: boolean, all: Given, count: number): Named => {
  const names = literal ? [text] : expandForEach(text, all, count)
  const known = literal ? names : names.filter((name) => !/\$[A-Za-z_]*\(/.test(name))
  const mine = known.filter((name) => !name.startsWith('/') && !isUrl(name))
  for (const name of mine) {
    const plain = posix.normalize(name)
    if (plain === '..' || plain.startsWith('../') || plain === '.telesto' || plain.startsWith('.telesto/'))
      throw invalid(
        `${command}: ${name} must be a path inside the directory of the job. Its input files are there: write ${posix.basename(name)}.`,
      )
  }
  return { text: literal ? literalName(text) : text, ships: mine }
}

/** Whether HTCondor may move files between the machines. */
export const mayTransfer = (all: Given): boolean => !isNo(all.get('should_transfer_files'))

/** The files that transfer_input_files names; undefined: all remote input files. */
export const transferInputs = (spec: CondorSpec, all: Given): readonly Named[] | undefined => {
  const value = all.get('transfer_input_files')
  if (value === undefined || value === '') return undefined
  const literal = Array.isArray(value)
  const items = literal ? (value as readonly string[]) : `${value as string}`.split(',').map((item) => item.trim())
  return items
    .filter((item) => item !== '')
    .map((item) => named('transfer_input_files', item, literal, all, spec.numJobs))
}

/** The file that is the job's standard input. */
export const standardInput = (spec: CondorSpec, all: Given): Named | undefined => {
  const value = all.get('input')
  return typeof value === 'string' && value !== '' && value !== '/dev/null'
    ? named('input', value, false, all, spec.numJobs)
    : undefined
}

/** The executable, where it is a file that travels with the job, and no program of the machines there. */
export const shippedExecutable = (all: Given): string | undefined => {
  const value = all.get('executable')
  return typeof value === 'string' && value !== '' && !value.startsWith('/') && !isNo(all.get('transfer_executable'))
    ? value
    : undefined
}
