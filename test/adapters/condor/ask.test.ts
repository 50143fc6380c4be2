import { expect, test } from 'vitest'
import { askerOn } from '../../../adapters/condor/ask.js'
import type { Remote } from '../../../adapters/condor/remote.js'

/** What HTCondor would say of one proc. */
const ad = (token: string, proc: number, JobStatus: number, more: object = {}) => ({
  ClusterId: 7,
  ProcId: proc,
  TelestoToken: token,
  JobStatus,
  ...more,
})
const done = { ExitCode: 0, ExitBySignal: false, CompletionDate: 1_750_000_000 }
const ref = (token: string, nativeId: string) => ({ token, nativeId, jobType: 'CONDOR', workdir: `/w/${token}` })
const { signal } = new AbortController()

/** Answers scripts from what is in the queue and in the history; notes which of both each asked. */
const pool = () => {
  const state: { queue: object[]; history: object[]; asked: string[] } = { queue: [], history: [], asked: [] }
  const remote: Remote = async (_name, script) => {
    const asks = (command: string) => script.includes(`${command} -json`)
    state.asked.push(['condor_q', 'condor_history'].filter(asks).join(' '))
    const section = (title: string, ads: object[]) => ({ title, text: ads.length === 0 ? '' : JSON.stringify(ads) })
    return {
      code: 0,
      stderr: '',
      sections: [
        ...(asks('condor_q') ? [section('queue', state.queue)] : []),
        ...(asks('condor_history') ? [section('history', state.history)] : []),
      ],
    }
  }
  return { state, asker: askerOn(remote) }
}
const states = (reports: ReadonlyMap<string, { state?: string; parts?: readonly { state: string }[] }>) =>
  Object.fromEntries(
    [...reports].map(([token, { state, parts }]) => [token, state ?? parts?.map((one) => one.state).join()]),
  )

test('of jobs that have just been missed in the queue, the history alone is asked', async () => {
  const { state, asker } = pool()
  state.queue = [ad('a', 0, 2), ad('c', 3, 2)]
  state.history = [ad('b', 1, 4, done), ad('c', 2, 4, done)]
  const [a, b, c] = [ref('a', '7.0'), ref('b', '7.1'), ref('c', '7.2-3')]
  expect(states(await asker.status([a, b, c], signal))).toEqual({ a: 'running' })
  expect(states(await asker.history([b, c], signal))).toEqual({ b: 'succeeded', c: 'succeeded,running' })
  expect(state.asked).toEqual(['condor_q', 'condor_history'])
})

test('what left the queue between both questions is told as the history has it', async () => {
  const { state, asker } = pool()
  const c = ref('c', '7.2-3')
  state.queue = [ad('c', 3, 2)]
  state.history = [ad('c', 2, 4, done)]
  expect(states(await asker.status([c], signal))).toEqual({})
  state.history.push(ad('c', 3, 4, { ...done, ExitCode: 1 }))
  expect(states(await asker.history([c], signal))).toEqual({ c: 'succeeded,failed' })
})

test('of a job that the last question did not miss, the queue is asked as well', async () => {
  const { state, asker } = pool()
  state.queue = [ad('a', 0, 1)]
  expect(states(await asker.history([ref('a', '7.0')], signal))).toEqual({ a: 'queued' })
  await asker.status([ref('a', '7.0')], signal)
  expect(states(await asker.history([ref('a', '7.0')], signal))).toEqual({ a: 'queued' })
  expect(state.asked).toEqual(['condor_q condor_history', 'condor_q', 'condor_q condor_history'])
})
