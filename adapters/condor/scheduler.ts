import { type AdapterContext, type Scheduler, SchedulerError } from '../../src/adapter.js'
import { aborted, untilAborted } from '../together.js'
import { actOn, NOT_IN_QUEUE } from './act.js'
import { askerOn } from './ask.js'
import { cleanUpOn } from './clean-up.js'
import { fetchOn } from './fetch.js'
import { listLogsOn, readLogOn } from './logs.js'
import { lookAtPool } from './pool.js'
import { recoverOn } from './recover.js'
import { remoteOn, sectionOf } from './remote.js'
import { submitOn } from './submit.js'

/** The schedd that the commands on the transport's machine speak to. `here`: that is this machine. */
export const connectCondor = (
  { transport }: Pick<AdapterContext, 'transport'>,
  { here }: { readonly here: boolean },
): Scheduler => {
  const remote = remoteOn(transport)
  let found: string | undefined
  const home = async (signal: AbortSignal): Promise<string> => {
    found ??= sectionOf(await remote('home', 'say home; pwd -P; over $?\n', { signal }), 'home').replace(/\n$/, '')
    if (found.startsWith('/')) return found
    found = undefined
    throw new SchedulerError('protocol', 'The home of the login is not known there.')
  }
  const asker = askerOn(remote)
  const listLogs = listLogsOn(transport, home)
  const readLog = readLogOn(transport, remote)
  const fetch = fetchOn(transport, remote, here)
  const cleanUp = cleanUpOn(remote)

  return {
    submit: submitOn({ remote, transport, home }),
    status: asker.status,
    history: asker.history,
    recover: recoverOn(remote),
    cancel: actOn(remote, 'condor_rm', 'ok'),
    hold: actOn(remote, 'condor_hold', NOT_IN_QUEUE),
    release: actOn(remote, 'condor_release', NOT_IN_QUEUE),
    listLogs: (job, signal) => untilAborted(signal, listLogs(job, signal), aborted),
    readLog: (job, log, from, maxBytes, signal) =>
      untilAborted(signal, readLog(job, log, from, maxBytes, signal), aborted),
    fetch: (job, into, signal) => untilAborted(signal, fetch(job, into, signal), aborted),
    cleanUp: async (jobs, signal) => {
      asker.forget(jobs.map(({ token }) => token))
      return await cleanUp(jobs, signal)
    },
    ping: async (signal) => ({ version: (await lookAtPool(remote, signal)).version }),
    info: async (signal) => {
      const { version, queue, slots } = await lookAtPool(remote, signal)
      return [
        { label: 'HTCondor', value: version },
        { label: 'Own jobs', value: queue },
        ...(slots === undefined ? [] : [{ label: 'Slots', value: slots }]),
      ]
    },
    close: async () => {},
  }
}
