import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { createReportTokens } from '../../src/report-token.js'
import { look, telestoIn } from '../database.js'
import { freshDirectory, startChild } from '../store/support.js'

// Jobs that report all the time, to two processes on one database, while both poll and people order: reports of progress are
// stored without the lock of the writers, and every law holds all the same.

const JOBS = 8
const REPORTS = 40
const SETTLED = new Set(['Complete', 'Error', 'Aborted', 'Various-Complete'])

interface Told {
  readonly id: number
  readonly attempt: number
  readonly message: string
  readonly status: number
}
interface Event {
  readonly id: number
  readonly kind: string
  readonly job: number
  readonly attempt: number
  readonly data: Readonly<Record<string, string>>
}

const portals = async () => {
  const directory = await freshDirectory()
  const options = JSON.stringify(await telestoIn(directory))
  const start = async () => {
    const child = startChild(new URL('./chatter-portal.ts', import.meta.url), [options])
    const port = Number(await child.line())
    const ask = async (act: string, id?: number): Promise<string> => {
      child.tell(JSON.stringify({ act, id }))
      return (await child.line()) ?? ''
    }
    return { port, ask }
  }
  const both = [await start(), await start()] as const
  const tokens = createReportTokens([await readFile(path.join(directory, 'report.key'))])
  const current = async (id: number) => {
    const [row] = await look<{ token: string; number: number }>(
      directory,
      `SELECT a.token, a.number FROM telesto_jobs j JOIN telesto_attempts a ON a.id = j.attempt_id WHERE j.id = ${id}`,
    )
    return { token: tokens.of(row?.token ?? ''), attempt: row?.number ?? 0 }
  }
  return { directory, both, current }
}

test('each report that was acknowledged is there once, none that was refused, and each status follows the one before', {
  timeout: 120_000,
}, async () => {
  const { directory, both, current } = await portals()
  const ids: number[] = []
  for (let index = 0; index < JOBS; index++) ids.push(Number(await both[index % 2]?.ask('create')))
  const told: Told[] = []
  /** Two reports of one job are often under way at once, to different processes. */
  const chatter = async (id: number, seat: number): Promise<void> => {
    for (let turn = 0; turn < REPORTS; turn++) {
      const { token, attempt } = await current(id)
      const message = `${id}/${seat}/${turn}`
      const { port } = both[(seat + turn) % 2] ?? both[0]
      const response = await fetch(`http://127.0.0.1:${port}/update-job-status/${id}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ message, progress: turn / REPORTS }),
      })
      await response.arrayBuffer()
      told.push({ id, attempt, message, status: response.status })
    }
  }
  /** People, of whom each has a portal of their own. */
  const orders = async (seat: 0 | 1): Promise<string[]> => {
    const answers: string[] = []
    for (let turn = 0; turn < 12; turn++) {
      const id = ids[(turn * 3 + seat) % (JOBS - 2)]
      answers.push(await both[seat].ask(['pause', 'stop', 'resubmit', 'resume'][(turn + seat) % 4] ?? 'stop', id))
      await sleep(20)
    }
    return answers
  }
  const [first, second] = await Promise.all([
    orders(0),
    orders(1),
    ...ids.flatMap((id) => [chatter(id, 0), chatter(id, 1)]),
  ])
  expect(new Set([...(first ?? []), ...(second ?? [])])).toContain('done')
  expect(new Set(told.map(({ status }) => status))).toContain(200)
  // 403: a resubmit came between; 409: the job had settled. Nothing else goes wrong.
  expect(told.filter(({ status }) => ![200, 403, 409].includes(status))).toEqual([])

  const rows = await look<Omit<Event, 'data'> & { data: string }>(
    directory,
    'SELECT id, kind, job_id AS job, attempt, data FROM telesto_events WHERE job_id IS NOT NULL ORDER BY id',
  )
  const events = rows.map((row): Event => ({ ...row, data: JSON.parse(row.data) as Event['data'] }))
  const messages = events.filter(({ kind }) => kind === 'progress').map(({ data }) => data.statusMessage)
  const acknowledged = told.filter(({ status }) => status === 200).map(({ message }) => message)
  expect(messages.toSorted()).toEqual(acknowledged.toSorted())

  for (const id of ids) {
    const own = events.filter(({ job }) => job === id)
    let status = 'Pending'
    const over = new Set<number>()
    let last: string | undefined
    for (const { kind, attempt, data } of own) {
      if (kind === 'status') {
        expect(data.from).toBe(status)
        status = data.to ?? ''
        if (SETTLED.has(status)) over.add(attempt)
      } else if (kind === 'progress') {
        expect(over).not.toContain(attempt)
        last = data.statusMessage
      }
    }
    // The last two are ordered nothing: they run on, and are polled until the end.
    if (!ids.slice(-2).includes(id)) continue
    expect(own.filter(({ kind }) => kind === 'status').length).toBeGreaterThan(2)
    expect(await look(directory, `SELECT status_message AS message FROM telesto_jobs WHERE id = ${id}`)).toEqual([
      { message: last },
    ])
  }
})
