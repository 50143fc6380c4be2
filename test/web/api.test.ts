import { mkdir, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { rawRequest, startPortal } from './support.js'
import { TOY_LOG } from './toy-adapter.js'

describe('the list of jobs', () => {
  it('filters, searches, sorts and pages', async () => {
    const portal = await startPortal()
    const wide = await portal.basic('alpha wide', { tags: { basin: 'nile', 'a.b': 'dotted' } })
    const deep = await portal.basic('beta deep', { groups: ['hydro'] })
    const third = await portal.basic('gamma 100%')
    await deep.execute()
    const ids = async (query: string) => {
      const { status, json } = await portal.api(`/jobs?${query}`)
      expect([query, status]).toEqual([query, 200])
      return json.jobs?.map(({ id }) => id)
    }
    expect(await ids('')).toEqual([third.id, deep.id, wide.id])
    expect(await ids('sort=name')).toEqual([wide.id, deep.id, third.id])
    expect(await ids('sort=-name&limit=1&offset=1')).toEqual([deep.id])
    expect(await ids('sort=id&pageSize=2&page=2')).toEqual([third.id])
    expect(await ids('search=A%20W')).toEqual([wide.id])
    expect(await ids('search=%25')).toEqual([third.id])
    expect(await ids('nameContains=beta&search=deep')).toEqual([deep.id])
    expect(await ids('status=Submitted')).toEqual([deep.id])
    expect(await ids('status=SUB&status=Pending&sort=id')).toEqual([wide.id, deep.id, third.id])
    expect(await ids('tag.basin=nile&tag.a.b=dotted')).toEqual([wide.id])
    expect(await ids('tag[basin]=nile&tag%5Ba.b%5D=dotted')).toEqual([wide.id])
    expect(await ids('tag[basin]=rhine')).toEqual([])
    expect(await ids('group=hydro')).toEqual([deep.id])
    expect(await ids('jobType=TOY&app=nile&user=ada&sort=id')).toEqual([wide.id, deep.id, third.id])
    expect(await ids('app=flood')).toEqual([])
    expect(await ids('creationTimeAfter=2020-01-01&creationTimeBefore=2020-01-02T00:00:00%2B02:00')).toEqual([])
    expect(await ids('executeTimeAfter=2020-01-01T00:00:00Z')).toEqual([deep.id])
    expect(await ids(`parentId=${wide.id}`)).toEqual([])
    expect((await portal.api('/jobs?limit=1')).json).toMatchObject({ total: 3, totalCapped: false })
  })

  it('tells each job whole, with times in ISO 8601 and what its viewer can do', async () => {
    const portal = await startPortal()
    const job = await portal.basic('whole', { tags: { basin: 'nile' } })
    const { json } = await portal.api(`/jobs/${job.id}`)
    expect(json).toMatchObject({
      id: job.id,
      app: 'nile',
      name: 'whole',
      user: 'ada',
      status: 'Pending',
      statusCode: 'PEN',
      tags: { basin: 'nile' },
      executeTime: null,
      actions: ['execute', 'delete', 'update-status', 'edit'],
    })
    expect(json.creationTime).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    expect(json.url).toBe(`/telesto/jobs/${job.id}`)
    expect((await portal.api('/jobs')).json.jobs).toEqual([json])
  })

  it('with an unknown parameter, a wrong one, or one given twice names the field', async () => {
    const portal = await startPortal()
    const wrong: readonly (readonly [query: string, code: string, field: string])[] = [
      ['colour=red', 'unknown_field', 'colour'],
      ['__proto__=1', 'unknown_field', '__proto__'],
      ['sort=owner', 'invalid', 'sort'],
      ['limit=501', 'invalid', 'limit'],
      ['limit=0', 'invalid', 'limit'],
      ['offset=-1', 'invalid', 'offset'],
      ['page=0', 'invalid', 'page'],
      ['page=1&limit=5', 'invalid', 'limit'],
      ['search=a&search=b', 'invalid', 'search'],
      ['search=a%00', 'invalid', 'search'],
      ['status=%00', 'invalid', 'status'],
      ['tag.basin=%00', 'invalid', 'tag.basin'],
      ['creationTimeAfter=yesterday', 'invalid', 'creationTimeAfter'],
      ['parentId=x', 'invalid', 'parentId'],
      ['tag=x', 'invalid', 'tag'],
    ]
    for (const [query, code, field] of wrong) {
      const { status, json } = await portal.api(`/jobs?${query}`)
      expect([query, status, json.error?.code, json.error?.field]).toEqual([query, 400, code, field])
    }
  })
})

describe('actions', () => {
  it('are carried out by POST, and answer the job as it is then', async () => {
    const portal = await startPortal()
    const job = await portal.basic('acts')
    const act = async (action: string, body: object = {}) =>
      await portal.api(`/jobs/${job.id}/${action}`, { as: 'ada', body })
    expect((await act('execute')).json).toMatchObject({
      status: 'Submitted',
      actions: ['pause', 'stop', 'update-status', 'edit'],
    })
    expect((await act('pause')).json.status).toBe('Paused')
    expect((await act('resume')).json.status).toBe('Running')
    expect((await act('update-status', { status: 'Calibrating' })).json.status).toBe('Calibrating')
    expect((await act('update-status')).status).toBe(200)
    expect((await act('stop')).json.status).toBe('Aborted')
    expect((await act('resubmit')).json).toMatchObject({ attempt: 2 })
    expect((await act('delete')).json.error?.code).toBe('job_is_active')
    expect((await act('delete', { stop: true })).json).toEqual({ id: job.id, deleted: true })
    expect((await portal.api(`/jobs/${job.id}`)).status).toBe(404)
    const by = await portal.sql<{ user_id: string }>('SELECT DISTINCT user_id FROM telesto_audit')
    expect(by).toMatchObject([{ user_id: 'ada' }])
  })

  it('that the status forbids are 409, and change nothing', async () => {
    const portal = await startPortal()
    const job = await portal.basic('pending')
    for (const action of ['stop', 'pause', 'resume', 'resubmit', 'collect']) {
      const { status, json } = await portal.api(`/jobs/${job.id}/${action}`, { as: 'ada', method: 'POST' })
      expect([action, status, json.error?.code, json.error?.field]).toEqual([
        action,
        409,
        'action_not_allowed',
        'action',
      ])
    }
    await job.refresh()
    expect(job.status).toBe('Pending')
  })

  it('that the scheduler does not offer are not offered, and refused', async () => {
    const portal = await startPortal({ runLoops: true })
    const job = await portal.nile.createJob({ name: 'runs', user: 'ada', jobType: 'TOY' })
    await job.execute()
    await expect
      .poll(async () => (await portal.api(`/jobs/${job.id}`)).json.status, { timeout: 10_000 })
      .toBe('Running')
    expect((await portal.api(`/jobs/${job.id}`)).json.actions).toEqual(['stop', 'update-status', 'edit'])
    const { status, json } = await portal.api(`/jobs/${job.id}/pause`, { as: 'ada', method: 'POST' })
    expect([status, json.error?.code]).toEqual([409, 'not_supported'])
  })

  it('execute twice at once runs once', async () => {
    const portal = await startPortal()
    const job = await portal.basic('twice')
    const both = await Promise.all(
      [1, 2].map(() => portal.api(`/jobs/${job.id}/execute`, { as: 'ada', method: 'POST' })),
    )
    expect(both.map(({ status }) => status).sort()).toEqual([200, 409])
    await job.refresh()
    expect(job.attempt).toBe(1)
  })

  it('that do not exist, or have fields that do not exist, are coded errors', async () => {
    const portal = await startPortal()
    const job = await portal.basic('x')
    const unknown = await portal.api(`/jobs/${job.id}/explode`, { as: 'ada', method: 'POST' })
    expect([unknown.status, unknown.json.error?.code]).toEqual([404, 'not_found'])
    for (const name of ['constructor', '__proto__', 'toString', 'save']) {
      expect((await portal.api(`/jobs/${job.id}/${name}`, { as: 'ada', method: 'POST' })).status).toBe(404)
    }
    const field = await portal.api(`/jobs/${job.id}/execute`, { as: 'ada', body: { force: true } })
    expect([field.status, field.json.error?.code, field.json.error?.field]).toEqual([400, 'unknown_field', 'force'])
    const get = await portal.ask(`/telesto/api/jobs/${job.id}/stop`, { as: 'ada' })
    expect([get.status, get.headers.get('allow')]).toEqual([405, 'POST'])
    const status = await portal.api(`/jobs/${job.id}/update-status`, { as: 'ada', body: { status: 'x'.repeat(2000) } })
    expect([status.status, status.json.error?.field]).toEqual([400, 'status'])
  })
})

describe('history', () => {
  it('tells what happened with who asked, attempts and parts, page by page', async () => {
    const portal = await startPortal()
    const job = await portal.telesto
      .as({ id: 'ada' })
      .app('nile')
      .getJob((await portal.basic('past')).id)
    await job?.execute()
    await job?.stop()
    const { json } = await portal.api(`/jobs/${job?.id}/history`)
    expect(json).toMatchObject({
      entries: [
        { kind: 'created' },
        { kind: 'status', attempt: 1 },
        { kind: 'order', action: 'execute', by: 'ada', attempt: 1 },
        { kind: 'status', from: 'Submitted', to: 'Aborted', by: 'ada' },
        { kind: 'order', action: 'stop', by: 'ada' },
      ],
      next: null,
      attempts: [{ number: 1, status: 'Aborted' }],
      parts: [],
    })
    const pages: unknown[] = []
    for (let after: unknown = 0; after !== null; ) {
      const { json: page } = await portal.api(`/jobs/${job?.id}/history?after=${after}&limit=2`)
      pages.push(...(page.entries as unknown[]))
      after = page.next
    }
    expect(pages).toEqual(json.entries)
  })

  it('tells an administrator where from, by the setting "trust proxy" of the host; others not', async () => {
    const portal = await startPortal({}, (app, telesto) => {
      app.set('trust proxy', 'loopback')
      app.use(telesto.middleware)
      app.use('/telesto', telesto.router)
      app.post('/start/:id', async (req, res) => {
        await (await req.telesto.getJob(Number(req.params.id)))?.execute()
        res.json({})
      })
    })
    const job = await portal.basic('from afar', { groups: ['hydro'] })
    const headers = { 'x-forwarded-for': '203.0.113.7' }
    await portal.ask(`/start/${job.id}`, { as: 'ada', method: 'POST', headers })
    await portal.ask(`/telesto/jobs/${job.id}/pause`, {
      as: 'gus',
      method: 'POST',
      headers: { 'x-forwarded-for': '2001:db8::7' },
    })
    await portal.api(`/jobs/${job.id}/stop`, { as: 'ada', method: 'POST', headers })
    const told = async (as: 'ada' | 'gus' | 'root') =>
      ((await portal.api(`/jobs/${job.id}/history`, { as })).json.entries as { action?: string; address?: string }[])
        .filter(({ action }) => action !== undefined)
        .map(({ action, address }) => [action, address])
    expect(await told('root')).toEqual([
      ['execute', '203.0.113.7'],
      ['pause', '2001:db8::7'],
      ['stop', '203.0.113.7'],
    ])
    for (const as of ['ada', 'gus'] as const) {
      expect(await told(as)).toEqual([
        ['execute', undefined],
        ['pause', undefined],
        ['stop', undefined],
      ])
      expect((await portal.page(`/jobs/${job.id}`, { as })).html).not.toContain('203.0.113.7')
    }
    expect((await portal.page(`/jobs/${job.id}`, { as: 'root' })).html).toContain('from 203.0.113.7')
  })
})

describe('logs', () => {
  const withLog = async () => {
    const portal = await startPortal({ runLoops: true })
    const job = await portal.nile.createJob({ name: 'logs', user: 'ada', jobType: 'TOY' })
    await job.execute()
    await expect
      .poll(async () => (await portal.api(`/jobs/${job.id}/logs`)).json.logs, { timeout: 10_000 })
      .toHaveLength(1)
    const window = async (query: string) =>
      await portal.ask(`/telesto/api/jobs/${job.id}/logs/window?${query}`, { as: 'ada' })
    return { portal, job, window }
  }

  it('are read in windows of bytes that join to the whole, valid UTF-8 or not', async () => {
    const { portal, job, window } = await withLog()
    expect((await portal.api(`/jobs/${job.id}/logs`)).json).toEqual({
      logs: [{ name: 'stdout', part: null, size: TOY_LOG.length }],
    })
    const pieces: Buffer[] = []
    for (let from = 0; from < TOY_LOG.length; ) {
      const response = await window(`name=stdout&from=${from}&maxBytes=7`)
      expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8')
      expect(response.headers.get('x-content-type-options')).toBe('nosniff')
      pieces.push(Buffer.from(await response.arrayBuffer()))
      from = Number(response.headers.get('x-telesto-next'))
    }
    expect(Buffer.concat(pieces)).toEqual(TOY_LOG)
  })

  it('at an offset past the end are empty, and no error', async () => {
    const { window } = await withLog()
    const response = await window('name=stdout&from=999999999')
    expect([response.status, await response.text()]).toEqual([200, ''])
    expect(response.headers.get('x-telesto-end')).toBe('false')
  })

  it('that do not exist, or windows that cannot be, are coded errors', async () => {
    const { window } = await withLog()
    for (const [query, status, field] of [
      ['name=nothing', 404, 'name'],
      ['name=..%2f..%2fetc%2fpasswd', 404, 'name'],
      ['from=0', 400, 'name'],
      ['name=stdout&from=-1', 400, 'from'],
      ['name=stdout&maxBytes=65537', 400, 'maxBytes'],
      ['name=stdout&to=3', 400, 'to'],
    ] as const) {
      const response = await window(query)
      const { error } = (await response.json()) as { error: { field: string } }
      expect([query, response.status, error.field]).toEqual([query, status, field])
    }
  })
})

describe('results', () => {
  const SVG = '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
  const withResults = async () => {
    const portal = await startPortal()
    const job = await portal.basic('results')
    await job.execute()
    const directory = await portal.workdir(job.id)
    await mkdir(path.join(directory, 'sub'), { recursive: true })
    await mkdir(path.join(directory, '.telesto'), { recursive: true })
    await writeFile(path.join(directory, '.telesto', 'report'), 'token')
    await writeFile(path.join(directory, 'sub', 'über "1".txt'), 'grüß dich')
    await writeFile(path.join(directory, 'plot.svg'), SVG)
    await writeFile(path.join(directory, 'page.html'), '<script>alert(1)</script>')
    await writeFile(path.join(directory, 'empty.png'), '')
    await writeFile(path.join(portal.directory, 'secret.txt'), 'secret')
    await symlink(path.join(portal.directory, 'secret.txt'), path.join(directory, 'link.txt'))
    await symlink(portal.directory, path.join(directory, 'out'))
    const get = async (query: Record<string, string>) =>
      await portal.ask(`/telesto/api/jobs/${job.id}/results/file?${new URLSearchParams(query)}`, { as: 'ada' })
    return { portal, job, get }
  }

  it('are listed without links and without what is Telesto’s own', async () => {
    const { portal, job } = await withResults()
    const { json } = await portal.api(`/jobs/${job.id}/results`)
    const files = json.files as readonly { path: string; size: number }[]
    expect(files.map((file) => [file.path, file.size])).toEqual([
      ['empty.png', 0],
      ['page.html', 25],
      ['plot.svg', SVG.length],
      ['sub/über "1".txt', 11],
    ])
  })

  it('are downloaded whole, under their names', async () => {
    const { get } = await withResults()
    const response = await get({ path: 'sub/über "1".txt' })
    expect(await response.text()).toBe('grüß dich')
    expect(response.headers.get('content-length')).toBe('11')
    expect(response.headers.get('content-type')).toBe('application/octet-stream')
    expect(response.headers.get('content-disposition')).toBe(
      `attachment; filename="_ber _1_.txt"; filename*=UTF-8''%C3%BCber%20%221%22.txt`,
    )
    expect((await get({ path: 'empty.png', inline: '1' })).status).toBe(200)
  })

  it('are shown only where they are images, and then run nothing', async () => {
    const { get } = await withResults()
    const svg = await get({ path: 'plot.svg', inline: '1' })
    expect(svg.headers.get('content-type')).toBe('image/svg+xml')
    expect(svg.headers.get('content-disposition')).toMatch(/^inline;/)
    expect(svg.headers.get('content-security-policy')).toBe("default-src 'none'; style-src 'unsafe-inline'; sandbox")
    expect(svg.headers.get('x-content-type-options')).toBe('nosniff')
    expect(await svg.text()).toBe(SVG)
    const html = await get({ path: 'page.html', inline: '1' })
    expect(html.headers.get('content-type')).toBe('application/octet-stream')
    expect(html.headers.get('content-disposition')).toMatch(/^attachment;/)
    expect((await get({ path: 'plot.svg' })).headers.get('content-disposition')).toMatch(/^attachment;/)
  })

  it("with .. in the path, or a link out of the job's directory, are refused", async () => {
    const { get } = await withResults()
    for (const [given, status, code] of [
      ['../1/plot.svg', 400, 'unsafe_path'],
      ['../../../../../secret.txt', 400, 'unsafe_path'],
      ['/etc/passwd', 400, 'unsafe_path'],
      ['sub/../../x', 400, 'unsafe_path'],
      ['link.txt', 400, 'unsafe_path'],
      ['out/secret.txt', 400, 'unsafe_path'],
      ['plot.svg\0.png', 400, 'unsafe_path'],
      ['.telesto/report', 404, 'not_found'],
      ['sub', 404, 'not_found'],
      ['nothing.txt', 404, 'not_found'],
    ] as const) {
      const response = await get({ path: given })
      const { error } = (await response.json()) as { error: { code: string; field: string } }
      expect([given, response.status, error.code, error.field]).toEqual([given, status, code, 'path'])
    }
    expect((await get({})).status).toBe(400)
  })
})

describe('errors', () => {
  it('have one shape, and tell nothing of what was not expected', async () => {
    const portal = await startPortal({
      visible: () => {
        throw new Error('password=hunter2')
      },
    })
    const { status, json } = await portal.api('/jobs')
    expect(status).toBe(500)
    expect(json).toEqual({ error: { code: 'internal', message: expect.not.stringContaining('hunter2') as string } })
    expect(portal.logged).toHaveLength(1)
    const page = await portal.page('/jobs')
    expect([page.status, page.html.includes('hunter2')]).toEqual([500, false])
  })

  it('are JSON below /api, also where there is nothing', async () => {
    const portal = await startPortal()
    const { status, json } = await portal.api('/nothing')
    expect([status, json.error?.code]).toEqual([404, 'not_found'])
    const bad = await rawRequest(portal.origin, '/telesto/api/jobs/%E0', { 'x-user': 'ada' })
    expect([bad.status, (JSON.parse(bad.body) as { error: { code: string } }).error.code]).toEqual([400, 'invalid'])
    for (const id of ['0', 'x', '1.5', '9007199254740993']) {
      expect((await portal.api(`/jobs/${id}`)).json.error).toMatchObject({ code: 'invalid', field: 'id' })
    }
  })

  it('of too many requests come in the same shape', async () => {
    const portal = await startPortal({ rateLimits: { api: 2 } })
    await portal.api('/jobs')
    await portal.api('/jobs')
    const { status, json } = await portal.api('/jobs')
    expect([status, json.error?.code]).toEqual([429, 'too_many_requests'])
  })
})
