import { describe, expect, it } from 'vitest'
import { ada, bob, gus, rawRequest, root, startPortal } from './support.js'

const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'self'; base-uri 'none'"

describe('who sees what', () => {
  it('owner, member of a group, admin; what one may not see is 404, for nobody it is 401', async () => {
    const portal = await startPortal()
    const job = await portal.basic('shared', { groups: ['hydro'] })
    await job.execute()
    const reads = ['', '/history', '/logs', '/results', '/results/file?path=x', '/logs/window?name=x']
    for (const where of reads) {
      const status = async (as?: 'ada' | 'bob' | 'gus' | 'root') =>
        (await portal.api(`/jobs/${job.id}${where}`, as === undefined ? {} : { as })).status
      const own = await status('ada')
      expect([where, own === 200 || own === 404]).toEqual([where, true])
      expect([where, await status('gus'), await status('root')]).toEqual([where, own, own])
      const { status: foreign, json } = await portal.api(`/jobs/${job.id}${where}`, { as: 'bob' })
      const { json: missing } = await portal.api(`/jobs/999${where}`, { as: 'bob' })
      expect([where, foreign, json.error?.code]).toEqual([where, 404, 'not_found'])
      expect(json.error?.message.replace(String(job.id), '999')).toBe(missing.error?.message)
      const nobody = await portal.api(`/jobs/${job.id}${where}`, {})
      expect([where, nobody.status, nobody.json.error?.code]).toEqual([where, 401, 'not_signed_in'])
    }
    const seen = async (as: 'ada' | 'bob' | 'gus' | 'root') => (await portal.api('/jobs', { as })).json
    for (const as of ['ada', 'gus', 'root'] as const) expect((await seen(as)).total).toBe(1)
    expect(await seen('bob')).toEqual({ jobs: [], total: 0, totalCapped: false })
  })

  it('a stranger can do nothing, and leaves no trace', async () => {
    const portal = await startPortal()
    const job = await portal.basic('mine')
    const before = await portal.sql('SELECT COUNT(*) AS n FROM telesto_events')
    for (const action of ['execute', 'stop', 'delete', 'update-status', 'resubmit']) {
      for (const place of ['/api', '']) {
        const as = await portal.ask(`/telesto${place}/jobs/${job.id}/${action}`, { as: 'bob', method: 'POST' })
        expect([place, action, as.status]).toEqual([place, action, 404])
        const nobody = await portal.ask(`/telesto${place}/jobs/${job.id}/${action}`, { method: 'POST' })
        expect([place, action, nobody.status]).toEqual([place, action, 401])
      }
    }
    expect(await portal.sql('SELECT COUNT(*) AS n FROM telesto_events')).toEqual(before)
  })

  it('who may see but not act gets 403, and no buttons', async () => {
    const portal = await startPortal({
      visible: () => ({}),
      may: (user, action, job) => action === 'read' || job.user === user.id,
    })
    const job = await portal.basic('seen')
    const { json } = await portal.api(`/jobs/${job.id}`, { as: 'bob' })
    expect(json.actions).toEqual([])
    expect((await portal.page('/jobs', { as: 'bob' })).html).not.toContain('<button type="submit" class=')
    const act = await portal.api(`/jobs/${job.id}/execute`, { as: 'bob', method: 'POST' })
    expect([act.status, act.json.error?.code]).toEqual([403, 'forbidden'])
  })

  it('who may not read a job that is visible does not see it anywhere', async () => {
    const portal = await startPortal({ visible: () => ({}), may: (user, _action, job) => job.user === user.id })
    const job = await portal.basic('hidden one')
    expect((await portal.api(`/jobs/${job.id}`, { as: 'bob' })).status).toBe(404)
    expect((await portal.api('/jobs', { as: 'bob' })).json.jobs).toEqual([])
    expect((await portal.page('/jobs', { as: 'bob' })).html).not.toContain('hidden one')
    expect((await portal.page(`/jobs/${job.id}`, { as: 'bob' })).status).toBe(404)
  })
})

describe('identify', () => {
  it('is asked once for each request, by the middleware and the router together', async () => {
    let asked = 0
    const portal = await startPortal(
      {
        identify: () => {
          asked += 1
          return ada
        },
      },
      (app, telesto) => {
        app.use(telesto.middleware)
        app.use('/telesto', telesto.router)
        app.get('/who', (req, res) => void res.json({ id: req.telesto.user.id, signedIn: req.telesto.isSignedIn }))
      },
    )
    expect((await portal.page('/jobs')).status).toBe(200)
    expect(asked).toBe(1)
    expect(await (await portal.ask('/who')).json()).toEqual({ id: 'ada', signedIn: true })
    expect(asked).toBe(2)
  })

  it('that fails goes to the error handler of the host', async () => {
    const portal = await startPortal(
      { identify: async () => await Promise.reject(new Error('session store is down')) },
      (app, telesto) => {
        app.use(telesto.middleware)
        const failed: import('express').ErrorRequestHandler = (error: Error, _req, res, _next) =>
          void res.status(502).send(error.message)
        app.use(failed)
      },
    )
    const response = await portal.ask('/anything')
    expect([response.status, await response.text()]).toEqual([502, 'session store is down'])
  })

  it('that answers with something that is no user is an error of the server, and shows nothing', async () => {
    const portal = await startPortal({ identify: () => ({ id: 7 }) as unknown as typeof ada })
    expect((await portal.api('/jobs')).status).toBe(500)
    expect((await portal.page('/jobs')).status).toBe(500)
    expect(JSON.stringify(portal.logged)).toContain('identify(req) gave no user: id')
  })

  it('of one Telesto is nothing to another in the same host', async () => {
    const other = await startPortal({ identify: () => root })
    const portal = await startPortal({ identify: () => bob }, (app, telesto) => {
      app.use(other.telesto.middleware)
      app.use('/telesto', telesto.router)
    })
    await portal.basic('secret')
    expect((await portal.page('/jobs')).html).not.toContain('secret')
  })
})

describe('a page of another site', () => {
  it('cannot act, by any of the ways that browsers tell', async () => {
    const portal = await startPortal()
    const job = await portal.basic('target')
    const from: readonly Readonly<Record<string, string>>[] = [
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { 'sec-fetch-site': 'cross-site', origin: portal.origin },
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { origin: `${portal.origin}1` },
    ]
    for (const headers of from) {
      for (const place of ['/api', '']) {
        const response = await portal.ask(`/telesto${place}/jobs/${job.id}/execute`, {
          as: 'ada',
          method: 'POST',
          headers,
        })
        expect([headers, response.status]).toEqual([headers, 403])
        expect(await response.text()).toContain('cross_site')
      }
    }
    await job.refresh()
    expect(job.status).toBe('Pending')
  })

  it('is told from our own pages, from a typed address and from programs', async () => {
    const portal = await startPortal({ url: 'https://portal.example/telesto' })
    const from: readonly Readonly<Record<string, string>>[] = [
      {},
      { 'sec-fetch-site': 'same-origin' },
      { 'sec-fetch-site': 'none' },
      { origin: portal.origin },
      { origin: 'https://portal.example' },
    ]
    for (const headers of from) {
      const job = await portal.basic('ours')
      const { status } = await portal.api(`/jobs/${job.id}/execute`, { as: 'ada', method: 'POST', headers })
      expect([headers, status]).toEqual([headers, 200])
    }
  })
})

describe('a forged Host header', () => {
  it('appears in nothing that is answered', async () => {
    for (const url of [undefined, 'https://portal.example/telesto']) {
      const portal = await startPortal(url === undefined ? {} : { url })
      const job = await portal.basic('hosted')
      const headers = { host: 'evil.example', 'x-forwarded-host': 'evil.example', 'x-user': 'ada' }
      for (const where of ['/', '/jobs', `/jobs/${job.id}`, '/nothing', '/api/jobs', `/api/jobs/${job.id}`]) {
        const answer = await rawRequest(portal.origin, `/telesto${where}`, headers)
        expect(JSON.stringify([where, answer.headers, answer.body])).not.toContain('evil.example')
      }
      const home = await rawRequest(portal.origin, '/telesto', headers)
      expect([home.status, home.headers.location]).toEqual([302, '/telesto/jobs'])
    }
  })
})

describe('headers', () => {
  it('of every page hold a strict policy, and forbid keeping', async () => {
    const portal = await startPortal()
    const job = await portal.basic('policy')
    for (const [where, as] of [
      ['/jobs', 'ada'],
      [`/jobs/${job.id}`, 'ada'],
      [`/jobs/${job.id}/logs`, 'ada'],
      ['/jobs/999', 'ada'],
      ['/nothing', 'ada'],
      ['/jobs', undefined],
    ] as const) {
      const { headers, html } = await portal.page(where, as === undefined ? {} : { as })
      expect(headers.get('content-security-policy')).toBe(CSP)
      expect(headers.get('x-content-type-options')).toBe('nosniff')
      expect(headers.get('referrer-policy')).toBe('same-origin')
      expect(headers.get('cache-control')).toBe('no-store')
      // What the policy would refuse is not there.
      expect(html).not.toMatch(/<script(?![^>]*\ssrc=)|\sstyle=|<style|\son\w+=|javascript:/)
    }
  })

  it('of the API forbid keeping, framing and sniffing', async () => {
    const portal = await startPortal()
    const response = await portal.ask('/telesto/api/jobs', { as: 'ada' })
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(response.headers.get('x-content-type-options')).toBe('nosniff')
    expect(response.headers.get('content-security-policy')).toBe("default-src 'none'; frame-ancestors 'none'")
    expect(response.headers.get('cross-origin-resource-policy')).toBe('same-origin')
  })
})

describe('text from outside', () => {
  it('in names, descriptions, reasons, messages, tags, owners and queries is text on every page', async () => {
    const evil = `"><script>alert(1)</script><img src=x onerror=alert(2)>'`
    const portal = await startPortal()
    const job = await portal.nile.createJob({
      name: evil,
      description: evil,
      user: 'ada',
      jobType: 'TOY',
      manual: true,
      tags: { [evil]: evil },
      extendedProperties: { [evil]: evil },
    })
    await job.execute()
    job.statusMessage = evil
    await job.save()
    await job.updateStatus(evil)
    expect(gus.groups).toEqual(['hydro'])
    const query = new URLSearchParams({ search: evil, status: evil, [`tag.${evil}`]: evil, sort: 'name', user: evil })
    for (const where of ['/jobs', `/jobs/${job.id}`, `/jobs/${job.id}/logs`, `/jobs?${query}`, `/jobs?sort=${evil}`]) {
      const { html } = await portal.page(where)
      expect(html).not.toContain('<script>alert')
      expect(html).not.toContain('<img src=x')
    }
    expect((await portal.page('/jobs')).html).toContain('&lt;script>alert(1)&lt;/script>')
  })
})

describe('a body', () => {
  it('of 10 MB, broken, or no object, is refused before anything is done', async () => {
    const portal = await startPortal()
    const job = await portal.basic('bodies')
    for (const [body, status, code] of [
      [`{"status":"${'x'.repeat(10_000_000)}"}`, 413, 'body_too_large'],
      ['{"stop":', 400, 'body_invalid'],
      ['[]', 400, 'body_invalid'],
    ] as const) {
      const answer = await portal.api(`/jobs/${job.id}/execute`, {
        as: 'ada',
        body,
        headers: { 'content-type': 'application/json' },
      })
      expect([answer.status, answer.json.error?.code]).toEqual([status, code])
    }
    await job.refresh()
    expect(job.status).toBe('Pending')
  })

  it('that the host has parsed already is taken as it is', async () => {
    const { default: express } = await import('express')
    const portal = await startPortal({}, (app, telesto) => {
      app.use(express.json({ limit: '20mb' }), express.urlencoded({ extended: true }))
      app.use('/telesto', telesto.router)
    })
    const job = await portal.basic('parsed')
    await job.execute()
    const answer = await portal.api(`/jobs/${job.id}/update-status`, { as: 'ada', body: { status: 'Running' } })
    expect(answer.json.status).toBe('Running')
    const large = await portal.api(`/jobs/${job.id}/update-status`, {
      as: 'ada',
      body: { status: 'x'.repeat(100_000) },
    })
    expect(large.status).toBe(413)
    const form = await portal.ask(`/telesto/jobs/${job.id}/stop`, { as: 'ada', body: new URLSearchParams() })
    expect(form.status).toBe(303)
  })
})
