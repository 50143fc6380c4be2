import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { type Ad, adsByJob, adsOf, jobReportOf, reportOf } from '../../../adapters/condor/report.js'
import { SchedulerError } from '../../../src/adapter.js'

// Recorded from a pool of HTCondor 23.9: condor_q -json and condor_history -json, with the attributes that the adapter asks for.
const recorded = (name: string): string => readFileSync(new URL(`fixtures/${name}.json`, import.meta.url), 'utf8')
const ads = [...adsOf(recorded('queue'), false), ...adsOf(recorded('history'), true)]
const adOf = (token: string): Ad => {
  const found = ads.find(({ TelestoToken }) => TelestoToken === token)
  if (!found) throw new Error(`No ad of ${token} was recorded.`)
  return found
}
const at = (seconds: number | undefined) => new Date((seconds ?? Number.NaN) * 1000)

describe('an ad of the queue', () => {
  test('idle is queued, without times', () => {
    expect(reportOf(adOf('idle'))).toEqual({ state: 'queued', nativeState: 'Idle' })
  })

  test('running has a start and no end', () => {
    const ad = adOf('running')
    expect(reportOf(ad)).toEqual({
      state: 'running',
      nativeState: 'Running',
      startedAt: at(ad.JobCurrentStartDate),
    })
  })

  test('transferring output is running still, suspended is suspended', () => {
    expect(reportOf({ ...adOf('running'), JobStatus: 6 })).toMatchObject({ state: 'running' })
    expect(reportOf({ ...adOf('running'), JobStatus: 7 })).toMatchObject({ state: 'suspended' })
  })

  test.for([
    ['user-held', 'the operator had a reason (by user condor-user)', undefined],
    ['on-hold', "submitted on hold at user's request", undefined],
    ['no-input', 'No such file or directory', undefined],
    ['toolong', 'The job exceeded allowed job duration of 00:02', 'walltime'],
  ] as const)('%s is held, with the reason', ([token, reason, cause]) => {
    const report = reportOf(adOf(token))
    expect(report).toMatchObject({ state: 'held', nativeState: 'Held' })
    expect(report.message).toContain(reason)
    expect(report.cause).toBe(cause)
    expect(report.exitCode).toBeUndefined()
    expect(report.endedAt).toBeUndefined()
  })

  test('out of memory has its cause, out of disk has none', () => {
    expect(reportOf({ ...adOf('user-held'), HoldReasonCode: 34, HoldReasonSubCode: 102 }).cause).toBe('memory')
    expect(reportOf({ ...adOf('user-held'), HoldReasonCode: 34, HoldReasonSubCode: 104 }).cause).toBeUndefined()
  })

  test('removed is not over before it has left the queue', () => {
    expect(reportOf(adOf('ending'))).toMatchObject({ state: 'running', nativeState: 'Removed' })
    expect(reportOf({ ...adOf('ending'), LastJobStatus: 1 })).toMatchObject({ state: 'queued' })
    expect(reportOf({ ...adOf('ending'), LastJobStatus: undefined })).toMatchObject({ state: 'queued' })
  })

  test('complete is over, also where it stays in the queue', () => {
    expect(reportOf(adOf('requeued'))).toMatchObject({ state: 'succeeded', exitCode: 0 })
  })

  test('a number that nobody knows is unknown', () => {
    expect(reportOf({ ...adOf('idle'), JobStatus: 11 })).toEqual({ state: 'unknown', nativeState: '11' })
  })
})

describe('an ad of the history', () => {
  test('an exit code other than 0 is a failure, and the times are those of HTCondor', () => {
    const ad = adOf('fails')
    expect(reportOf(ad)).toEqual({
      state: 'failed',
      nativeState: 'Completed',
      exitCode: 3,
      startedAt: at(ad.JobCurrentStartDate),
      endedAt: at(ad.CompletionDate),
    })
    expect(reportOf(adOf('ok'))).toMatchObject({ state: 'succeeded', exitCode: 0 })
  })

  test('a signal is a failure without an exit code', () => {
    const report = reportOf(adOf('signal'))
    expect(report).toMatchObject({ state: 'failed', message: 'It was ended by signal 9.' })
    expect(report.exitCode).toBeUndefined()
  })

  test.for([
    ['removed', 'not needed (by user condor-user)'],
    ['policy', "The job attribute PeriodicRemove expression 'JobStatus == 2' evaluated to TRUE"],
  ] as const)('%s is cancelled, with the reason, although a signal ended it', ([token, message]) => {
    const report = reportOf(adOf(token))
    expect(report).toMatchObject({ state: 'cancelled', message, endedAt: at(adOf(token).EnteredCurrentStatus) })
    expect(report.exitCode).toBeUndefined()
  })
})

describe('an answer', () => {
  test('no match is nothing at all', () => {
    expect(adsOf('', false)).toEqual([])
    expect(adsOf('[ ]\n', true)).toEqual([])
  })

  test.for(['{}', '[1]', '[{"ClusterId": "1"}]', '<html>', '[{"ClusterId": 1, "ProcId": 0}]', '[{'])(
    '%s is garbage',
    (text) => {
      expect(() => adsOf(text, false)).toThrow(SchedulerError)
      expect(() => adsOf(text, false)).toThrow('cannot be understood')
    },
  )

  test('an expression or null in the place of a value is as if it were not there', () => {
    const odd =
      '[{"ClusterId":1,"ProcId":0,"JobStatus":5,"HoldReason":null,"ExitCode":"\\/Expr(x)\\/","JobStartDate":null}]'
    expect(reportOf(adsOf(odd, false)[0] as Ad)).toEqual({ state: 'held', nativeState: 'Held' })
  })
})

describe('a job', () => {
  const proc = (number: number, change: Partial<Ad> = {}): Ad => ({
    ...adOf('idle'),
    TelestoToken: 'job',
    ClusterId: 7,
    ProcId: number,
    ...change,
  })
  const over = { past: true, JobStatus: 4, ExitCode: 0, ExitBySignal: false }
  const report = (nativeId: string, found: readonly Ad[]) =>
    jobReportOf(nativeId, adsByJob(found, [{ token: 'job', nativeId }]).get('job') ?? new Map())

  test('of one proc is that proc', () => {
    expect(report('7.2', [proc(2)])).toEqual({ state: 'queued', nativeState: 'Idle' })
  })

  test('of several has a part for each, in order, and no word on the whole', () => {
    expect(report('7.2-4', [proc(4), proc(2, over), proc(3, { JobStatus: 2 })])).toMatchObject({
      parts: [
        { name: '0', nativeId: '7.2', state: 'succeeded' },
        { name: '1', nativeId: '7.3', state: 'running' },
        { name: '2', nativeId: '7.4', state: 'queued' },
      ],
    })
  })

  test('is not told of where one of its procs is missing', () => {
    expect(report('7.2-4', [proc(4), proc(2)])).toBeUndefined()
    expect(report('7.2', [])).toBeUndefined()
    expect(report('what', [proc(2)])).toBeUndefined()
  })

  test('that left the queue between two questions is over', () => {
    expect(report('7.2', [proc(2), proc(2, over)])).toMatchObject({ state: 'succeeded' })
    expect(report('7.2', [proc(2, over), proc(2)])).toMatchObject({ state: 'succeeded' })
  })

  test('is no other job with its number, and no other number of its token', () => {
    expect(report('7.2', [proc(2, { TelestoToken: 'other' })])).toBeUndefined()
    expect(report('7.2', [proc(2, { ClusterId: 8 }), proc(3)])).toBeUndefined()
  })
})
