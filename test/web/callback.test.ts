import { createConnection } from 'node:net'
import { describe, expect, it } from 'vitest'
import { rawRequest, startPortal } from './support.js'

const report = (token: string) => ({ authorization: `Bearer ${token}` })

describe('a poke', () => {
  it('is answered alike for a job that is there and one that is not, by GET and POST, with and without a slash', async () => {
    const portal = await startPortal()
    const job = await portal.basic('one')
    for (const id of [job.id, 4_000_000]) {
      for (const place of ['/telesto', '']) {
        for (const end of ['', '/']) {
          for (const method of ['GET', 'POST']) {
            const response = await portal.ask(`${place}/update-job-status/${id}${end}`, { method })
            expect(response.status).toBe(200)
            expect(await response.text()).toBe('{"success":true}')
          }
        }
      }
    }
  })

  it('takes a delay of whole seconds, up to an hour', async () => {
    const portal = await startPortal()
    for (const delay of ['0', '15', '3600'])
      expect((await portal.ask(`/update-job-status/1?delay=${delay}`)).status).toBe(200)
    for (const delay of ['3601', '-1', '1.5', 'soon', '', '1&delay=2']) {
      const response = await portal.ask(`/update-job-status/1?delay=${delay}`)
      expect(response.status).toBe(400)
      expect(await response.json()).toMatchObject({ error: { code: 'invalid', field: 'delay' } })
    }
  })

  it('with an id that is none is a coded error', async () => {
    const portal = await startPortal()
    for (const id of ['0', '-1', 'abc', '1.5', '9007199254740993', '00001', '%20']) {
      const response = await portal.ask(`/update-job-status/${id}`)
      expect(response.status).toBe(400)
      expect(await response.json()).toMatchObject({ error: { code: 'invalid', field: 'id' } })
    }
    const malformed = await rawRequest(portal.origin, '/update-job-status/%E0', {})
    expect(malformed.status).toBe(400)
    expect(JSON.parse(malformed.body)).toMatchObject({ error: { code: 'invalid' } })
  })

  it('ignores its body, whatever it is', async () => {
    const portal = await startPortal()
    const response = await portal.ask('/update-job-status/1', { body: '{broken' })
    expect(await response.json()).toEqual({ success: true })
  })

  it('needs no cookie and no origin: a page of another site may send it', async () => {
    const portal = await startPortal()
    const response = await portal.ask('/update-job-status/1', {
      method: 'POST',
      headers: { origin: 'https://elsewhere.example', 'sec-fetch-site': 'cross-site' },
    })
    expect(response.status).toBe(200)
  })

  it('never asks the host who it is', async () => {
    let asked = 0
    const portal = await startPortal({
      identify: () => {
        asked += 1
        throw new Error('no session store')
      },
    })
    expect((await portal.ask('/update-job-status/1')).status).toBe(200)
    expect((await portal.ask('/telesto/update-job-status/1')).status).toBe(200)
    expect(asked).toBe(0)
  })

  it('is limited for each address, in our shape of an error', async () => {
    const portal = await startPortal({ rateLimits: { callback: 3 } })
    const answers = []
    for (let i = 0; i < 4; i += 1) answers.push(await portal.ask('/update-job-status/1'))
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 429])
    expect(await answers[3]?.json()).toMatchObject({ error: { code: 'too_many_requests' } })
    expect(answers[3]?.headers.get('ratelimit')).toContain('limit=3')
    expect(answers[3]?.headers.get('retry-after')).toBeTruthy()
    // The limit of the API is another one.
    expect((await portal.api('/jobs')).status).toBe(200)
  })
})

describe('the limit of reports', () => {
  it('counts each attempt by itself, and all that proves nothing together', async () => {
    const portal = await startPortal({ rateLimits: { callback: 3 } })
    const send = async (id: number, token: string) =>
      (await portal.ask(`/update-job-status/${id}`, { body: { progress: 0.5 }, headers: report(token) })).status
    const jobs = [await portal.basic('a'), await portal.basic('b')]
    for (const job of jobs) {
      await job.execute()
      const token = await portal.reportToken(job.id)
      const statuses = []
      // Under whatever id it is sent, a token is counted once.
      for (const id of [job.id, job.id, 4_000_001, job.id]) statuses.push(await send(id, token))
      expect(statuses).toEqual([200, 200, 403, 429])
    }
    const guesses = []
    for (let id = 1; id <= 4; id += 1) guesses.push(await send(id, `guess-${id}`))
    expect(guesses).toEqual([403, 403, 403, 429])
    expect((await portal.ask('/update-job-status/1')).status).toBe(429)
  })
})

describe('a signed report', () => {
  const running = async () => {
    const portal = await startPortal()
    const job = await portal.basic('reports')
    await job.execute()
    const token = await portal.reportToken(job.id)
    const send = async (body: string | object, presented = token, id = job.id) => {
      const response = await portal.ask(`/update-job-status/${id}`, { body, headers: report(presented) })
      return { status: response.status, json: (await response.json()) as { error?: { code: string; field?: string } } }
    }
    return { portal, job, token, send }
  }

  it('sets status, message and progress', async () => {
    const { job, send } = await running()
    const answer = await send({ status: 'Running', message: 'gauge 3', progress: 0.5 })
    expect(answer).toEqual({ status: 200, json: { success: true, statusApplied: true } })
    await job.refresh()
    expect([job.status, job.statusMessage, job.progress]).toEqual(['Running', 'gauge 3', 0.5])
  })

  it('with a wrong token, for an unknown job or for another one is refused alike', async () => {
    const { portal, job, token, send } = await running()
    const other = await portal.basic('other')
    await other.execute()
    const refusals = [
      await send({ progress: 1 }, 'x'.repeat(token.length)),
      await send({ progress: 1 }, token, 4_000_000),
      await send({ progress: 1 }, token, other.id),
      await send({ progress: 1 }, 'short'),
    ]
    for (const refusal of refusals) {
      expect(refusal).toEqual(refusals[0])
      expect(refusal.status).toBe(403)
      expect(refusal.json.error?.code).toBe('report_refused')
    }
    await job.refresh()
    expect(job.progress).toBeNull()
  })

  it("with an old attempt's token is refused", async () => {
    const { job, token, send } = await running()
    await job.stop()
    await job.resubmit()
    const answer = await send({ progress: 1 }, token)
    expect([answer.status, answer.json.error?.code]).toEqual([403, 'report_refused'])
  })

  it('for a settled job is 409', async () => {
    const { send } = await running()
    expect((await send({ status: 'Complete' })).status).toBe(200)
    const late = await send({ progress: 1 })
    expect([late.status, late.json.error?.code]).toEqual([409, 'already_settled'])
  })

  it('with an unknown status of a node, or a status that is none, names the field', async () => {
    const { send } = await running()
    const node = await send({ nodes: { prepare: 'exploded' } })
    expect([node.status, node.json.error?.code, node.json.error?.field]).toEqual([400, 'invalid', 'nodes.prepare'])
    const status = await send({ status: 7 })
    expect([status.status, status.json.error?.field]).toEqual([400, 'status'])
    const unknown = await send({ percent: 3 })
    expect([unknown.status, unknown.json.error?.code, unknown.json.error?.field]).toEqual([
      400,
      'unknown_field',
      'percent',
    ])
  })

  it('with a body of 10 MB is 413', async () => {
    const { send } = await running()
    const answer = await send(`{"message":"${'x'.repeat(10_000_000)}"}`)
    expect([answer.status, answer.json.error?.code]).toEqual([413, 'body_too_large'])
  })

  it('with a body of 10 MB of unknown length is 413 too', async () => {
    const { portal, job, token } = await running()
    const chunk = 'x'.repeat(100_000)
    const body = new ReadableStream({
      start(controller) {
        for (let i = 0; i < 100; i += 1) controller.enqueue(new TextEncoder().encode(chunk))
        controller.close()
      },
    })
    const response = await fetch(`${portal.origin}/update-job-status/${job.id}`, {
      method: 'POST',
      headers: report(token),
      body,
      duplex: 'half',
    } as RequestInit)
    expect(response.status).toBe(413)
  })

  it('with broken JSON, or JSON that is no object, is 400', async () => {
    const { send } = await running()
    for (const body of ['{"progress": 0.', '[1]', '"text"', '12', 'null\u0000']) {
      const answer = await send(body)
      expect([body, answer.status, answer.json.error?.code]).toEqual([body, 400, 'body_invalid'])
    }
  })

  it('whose sender hangs up harms nobody', async () => {
    const { portal, job, token, send } = await running()
    const { port } = new URL(portal.origin)
    await new Promise<void>((resolve) => {
      const socket = createConnection(Number(port), '127.0.0.1', () => {
        socket.write(
          `POST /update-job-status/${job.id} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nContent-Length: 500\r\n\r\n{`,
        )
        setTimeout(() => socket.destroy(), 30)
      })
      socket.on('close', () => resolve())
    })
    expect((await send({ progress: 0.1 })).status).toBe(200)
  })

  it('by GET is 405, and by any other authorization is refused; neither becomes a poke', async () => {
    const { portal, job, token } = await running()
    const get = await portal.ask(`/update-job-status/${job.id}`, { headers: report(token) })
    expect([get.status, get.headers.get('allow')]).toEqual([405, 'POST'])
    expect(await get.json()).toMatchObject({ error: { code: 'method_not_allowed' } })
    for (const authorization of ['Basic YTpi', 'Bearer', 'Bearer a b', 'token']) {
      const response = await portal.ask(`/update-job-status/${job.id}`, { method: 'POST', headers: { authorization } })
      expect(response.status).toBe(401)
      expect(await response.json()).toMatchObject({ error: { code: 'unknown_authorization', field: 'authorization' } })
    }
  })

  it('for a job that a scheduler runs leaves its status to the scheduler', async () => {
    const portal = await startPortal()
    const job = await portal.nile.createJob({ name: 'owned', user: 'ada', jobType: 'TOY' })
    await job.execute()
    const response = await portal.ask(`/update-job-status/${job.id}`, {
      body: { status: 'Complete', progress: 0.25 },
      headers: report(await portal.reportToken(job.id)),
    })
    expect(await response.json()).toEqual({ success: true, statusApplied: false })
    await job.refresh()
    expect([job.status, job.progress]).toEqual(['Pending', 0.25])
  })
})
