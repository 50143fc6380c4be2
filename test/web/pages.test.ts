import { describe, expect, it } from 'vitest'
import { createLinks } from '../../src/web/links.js'
import { startPortal } from './support.js'

/** The HTML between the tags of the element with this id, roughly. */
const partOf = (html: string, id: string): string => html.split(`id="${id}"`)[1] ?? ''

describe('the page of jobs', () => {
  it('shows who is signed in, the jobs with their status in words, and what can be done', async () => {
    const portal = await startPortal()
    const job = await portal.basic('first run', { tags: { basin: 'nile' } })
    const { status, html } = await portal.page('/jobs')
    expect(status).toBe(200)
    expect(html).toMatch(/^<!doctype html><html lang="en">/)
    expect(html).toContain('<strong>Ada Lovelace</strong>')
    const row = partOf(html, `job-${job.id}`)
    expect(row).toContain('first run')
    expect(row).toContain('basin: nile')
    expect(row).toMatch(/data-status="PEN"><span class="dot" aria-hidden="true"><\/span>Pending/)
    expect(row).toContain(`<form method="post" action="/telesto/jobs/${job.id}/execute"`)
    expect(row).not.toContain('/stop"')
  })

  it('writes a time in ISO 8601 and UTC, for the browser to put into words', async () => {
    const portal = await startPortal()
    const job = await portal.basic('first run')
    const row = partOf((await portal.page('/jobs')).html, `job-${job.id}`)
    const [, iso, text] = /<time datetime="([^"]+)">([^<]+)<\/time>/.exec(row) ?? []
    expect(iso).toBe(job.creationTime?.toISOString())
    expect(text).toBe(`${iso?.slice(0, 16).replace('T', ' ')} UTC`)
  })

  it('without a job tells a newcomer what to do; without a match, how to see more', async () => {
    const portal = await startPortal()
    expect((await portal.page('/jobs')).html).toContain('No jobs yet')
    await portal.basic('something')
    const { html } = await portal.page('/jobs?search=else')
    expect(html).toContain('No job matches')
    expect(html).toContain('value="else"')
  })

  it('leads those who have no job yet to the apps that have a page', async () => {
    const portal = await startPortal()
    portal.telesto.app('flood', { url: '/flood' })
    expect((await portal.page('/jobs')).html).toContain('<a class="button" href="/flood">Open flood</a>')
  })

  it('shows no run time of a job that waits, and of one that failed at least the exit code', async () => {
    const portal = await startPortal()
    const job = await portal.nile.createJob({ name: 'run', user: 'ada', jobType: 'TOY' })
    await job.execute()
    const row = async () => partOf((await portal.page('/jobs')).html, `job-${job.id}`)
    expect(await row()).toMatch(/class="run-time"[^>]*><span class="none">–/)
    await portal.sql('UPDATE telesto_jobs SET start_time = execute_time')
    expect(await row()).toMatch(/class="run-time"[^>]*><span data-elapsed="\d+">\d+ s</)
    await portal.sql(`UPDATE telesto_jobs SET status_code = 'ERR', exit_code = 3`)
    expect(await row()).toContain('<span class="reason" title="exit code 3">exit code 3</span>')
  })

  it('offers the filter by owner to those who see the jobs of others', async () => {
    const portal = await startPortal()
    for (const [as, offered] of [
      ['ada', false],
      ['gus', true],
      ['root', true],
    ] as const) {
      expect((await portal.page('/jobs', { as })).html.includes('My jobs')).toBe(offered)
    }
    await portal.basic('of ada')
    await portal.basic('of grace', { user: 'grace' })
    const { html } = await portal.page('/jobs?user=grace&app=&status=', { as: 'root' })
    expect(html).toContain('of grace')
    expect(html).not.toContain('of ada')
  })

  it('sorts by links that keep the filters, and says how it is sorted', async () => {
    const portal = await startPortal()
    await portal.basic('b')
    const { html } = await portal.page('/jobs?search=b&page=1&utm_source=mail')
    expect(html).toContain('href="/telesto/jobs?search=b&amp;sort=name"')
    expect(html).toMatch(/<th scope="col" class="created" aria-sort="descending">/)
    expect(html).not.toContain('utm_source')
    expect((await portal.page('/jobs?sort=name')).html).toContain('href="/telesto/jobs?sort=-name"')
  })

  it('pages, and counts to 10,000', async () => {
    const portal = await startPortal()
    await portal.nile.bulkCreate(
      Array.from({ length: 120 }, (_, index) => ({
        name: `job ${index}`,
        user: 'ada',
        jobType: 'TOY' as const,
        manual: true,
      })),
    )
    const first = (await portal.page('/jobs')).html
    expect(first).toContain('1–50 of 120')
    expect(first).toContain('rel="next" href="/telesto/jobs?page=2"')
    expect(first).not.toContain('rel="prev"')
    const last = (await portal.page('/jobs?page=3')).html
    expect(last).toContain('101–120 of 120')
    expect(last).not.toContain('rel="next"')
    expect((await portal.page('/jobs?page=9')).html).toContain('There are no jobs this far down')
  })

  it('with a value that cannot be is an error page, not an error of the server', async () => {
    const portal = await startPortal()
    const { status, html } = await portal.page('/jobs?sort=owner')
    expect(status).toBe(400)
    expect(html).toContain('<code>sort</code>')
  })
})

describe('statuses of the apps’ own', () => {
  const customStatuses = { 'Waiting for data': 'pre-running', Calibrating: 'running', Archived: 'terminal' } as const
  const shown = (text: string, look: string) =>
    `data-status="${look}"><span class="dot" aria-hidden="true"></span>${text}`

  it('are shown in words, and look like what they mean; in the table, on the page and in its history', async () => {
    const portal = await startPortal({ customStatuses })
    for (const [text, look] of [
      ['Waiting for data', 'SUB'],
      ['Calibrating', 'RUN'],
      ['Archived', 'COM'],
      ['Half-way', 'OTH'],
    ] as const) {
      const job = await portal.basic('a job')
      await job.updateStatus(text)
      expect(partOf((await portal.page('/jobs')).html, `job-${job.id}`)).toContain(shown(text, look))
      const { html } = await portal.page(`/jobs/${job.id}`)
      expect(partOf(html, 'job-head')).toContain(shown(text, look))
      expect(partOf(html, 'job-timeline')).toContain(shown(text, look))
      expect(html).not.toContain('Other')
      expect((await portal.api(`/jobs/${job.id}`)).json).toMatchObject({ status: text, statusCode: 'OTH' })
    }
  })

  it('are offered by the filter, which finds them', async () => {
    const portal = await startPortal({ customStatuses })
    await (await portal.basic('the one')).updateStatus('Calibrating')
    await portal.basic('another')
    const { html } = await portal.page('/jobs?status=Calibrating')
    expect(html).toContain('<option value="Calibrating" selected>Calibrating</option>')
    expect(html).toContain('<option value="Archived">Archived</option>')
    expect(html).toContain('the one')
    expect(html).not.toContain('another')
  })

  it('stay with the attempt that they ended, and lead to the results in the app', async () => {
    const portal = await startPortal({ customStatuses })
    const app = portal.telesto.app('maps', { resultsUrl: '/maps/{id}' })
    const job = await app.createJob({ name: 'a map', user: 'ada', jobType: 'TOY', manual: true })
    await job.updateStatus('Archived')
    expect((await portal.page(`/jobs/${job.id}`)).html).toContain(`href="/maps/${job.id}"`)
    await job.resubmit()
    const { html } = await portal.page(`/jobs/${job.id}`)
    expect(partOf(html, 'job-attempts')).toContain(shown('Archived', 'COM'))
    expect(html).not.toContain(`href="/maps/${job.id}"`)
  })
})

describe('the parts of a job without a scheduler', () => {
  it('are listed and counted, in words and as a bar', async () => {
    const portal = await startPortal()
    const job = await portal.basic('surveys')
    await job.updateParts(
      [
        { name: 'north', state: 'running' },
        { name: 'south', state: 'succeeded' },
        { name: '<b>east</b>', state: 'failed', exitCode: 3, message: 'no boat' },
      ],
      { deriveStatus: true },
    )
    const { html } = await portal.page(`/jobs/${job.id}`)
    expect(partOf(html, 'job-head')).toContain('data-status="VAR"')
    const parts = partOf(html, 'job-parts')
    expect(parts).toMatch(/^ class="panel" aria-labelledby/)
    expect(parts).toContain('viewBox="0 0 3 1"')
    expect(
      [...parts.matchAll(/<rect class="status" data-status="(\w+)" x="(\d)"/g)].map(([, code, x]) => [code, x]),
    ).toEqual([
      ['COM', '0'],
      ['ERR', '1'],
      ['RUN', '2'],
    ])
    for (const text of ['1 succeeded', '1 failed', '1 running', '&lt;b>east&lt;/b>', 'no boat · exit code 3'])
      expect(parts).toContain(text)
    const row = partOf((await portal.page('/jobs')).html, `job-${job.id}`)
    expect(row).toContain('data-status="VAR"')
    expect(row).toContain('role="img" aria-label="1 succeeded, 1 failed, 1 running"')
    await job.updateParts([{ name: 'north', state: 'succeeded' }], { deriveStatus: true })
    expect(partOf((await portal.page('/jobs')).html, `job-${job.id}`)).toContain('aria-label="2 succeeded, 1 failed"')
    expect((await portal.api(`/jobs/${job.id}`)).json).toMatchObject({
      status: 'Various-Complete',
      statuses: { succeeded: 2, failed: 1 },
    })
    await job.resubmit()
    expect((await portal.api(`/jobs/${job.id}`)).json).toMatchObject({ statuses: {} })
  })

  it('are hidden where there are none', async () => {
    const portal = await startPortal()
    const job = await portal.basic('alone')
    expect(partOf((await portal.page(`/jobs/${job.id}`)).html, 'job-parts')).toMatch(/^ class="panel" hidden/)
  })
})

describe('the page of a job', () => {
  it('shows status, reason, facts, history with who asked, and what it waits for', async () => {
    const portal = await startPortal()
    const parent = await portal.basic('parent')
    const made = await portal.nile.createJob({
      name: 'child',
      user: 'ada',
      jobType: 'TOY',
      parents: [parent.id],
      description: 'What it is for.',
    })
    const job = await portal.telesto.as({ id: 'ada' }).getJob(made.id)
    await job?.execute()
    const { status, html } = await portal.page(`/jobs/${made.id}`)
    expect(status).toBe(200)
    for (const text of ['child', 'What it is for.', `After job ${parent.id}`, 'Run asked for', 'by ada']) {
      expect(html).toContain(text)
    }
    // It waits, and nobody submits it.
    expect(html).not.toContain('submitting…')
    expect(partOf(html, 'job-facts')).toContain(`<a href="/telesto/jobs/${parent.id}">job ${parent.id}</a>`)
    expect(partOf(html, 'job-attempts').startsWith(' class="panel" hidden')).toBe(true)
    await job?.stop()
    await job?.resubmit()
    expect(
      partOf((await portal.page(`/jobs/${made.id}`)).html, 'job-attempts').startsWith(' class="panel" hidden'),
    ).toBe(false)
  })

  it('that waits for many parents shows some, with their statuses, those that are not Complete first', async () => {
    const portal = await startPortal()
    const forms = Array.from(
      { length: 1200 },
      (_, n) => ({ name: `form ${n}`, user: 'ada', jobType: 'TOY', manual: true }) as const,
    )
    const parents = await portal.nile.bulkCreate(forms)
    const [first, second, last] = [parents[0], parents[1], parents.at(-1)]
    await first?.updateStatus('Complete')
    await second?.updateStatus('Error')
    const child = await portal.nile.createJob({
      name: 'child',
      user: 'ada',
      jobType: 'TOY',
      parents: parents.map(({ id }) => id),
      onParentFailure: 'wait',
    })
    await child.execute()
    const { html } = await portal.page(`/jobs/${child.id}`)
    const facts = partOf(html, 'job-facts')
    const status = (code: string, text: string) =>
      `<span class="status" data-status="${code}"><span class="dot" aria-hidden="true"></span>${text}</span>`
    expect(facts).toContain(`<a href="/telesto/jobs/${second?.id}">job ${second?.id}</a> ${status('ERR', 'Error')}`)
    expect(facts).toContain(
      `<a href="/telesto/jobs/${parents[5]?.id}">job ${parents[5]?.id}</a> ${status('PEN', 'Pending')}`,
    )
    expect(facts.match(/<a href="\/telesto\/jobs/g)).toHaveLength(5)
    expect(facts).toContain('and 1,195 more')
    expect(facts).toContain('it waits until that one is resubmitted and Complete')
    const waits = `After job ${last?.id} (Pending), one of 1,200 parents`
    expect(html).toContain(waits)
    expect((await portal.page('/jobs')).html).toContain(waits)
    expect((await portal.api(`/jobs/${child.id}`)).json).toMatchObject({ waitingFor: waits, onParentFailure: 'wait' })
    await last?.updateStatus('Aborted')
    expect((await portal.page('/jobs')).html).toContain(
      `After job ${last?.id} (Aborted), one of 1,200 parents: waits until that is resubmitted and Complete`,
    )
  })

  it('that is not there, or not to be seen, is 404; for nobody every page is 401', async () => {
    const portal = await startPortal()
    const job = await portal.basic('mine')
    for (const where of ['/jobs/999', '/jobs/abc', '/nothing', '/jobs/1/2/3']) {
      const { status, html } = await portal.page(where)
      expect([where, status === 404 || (where === '/jobs/abc' && status === 400)]).toEqual([where, true])
      expect(html).toContain('<strong>Ada Lovelace</strong>')
    }
    expect((await portal.page(`/jobs/${job.id}`, { as: 'bob' })).status).toBe(404)
    const nobody = await portal.page(`/jobs/${job.id}`, {})
    expect([nobody.status, nobody.html.includes('You are not signed in')]).toEqual([401, true])
    expect(nobody.html).not.toContain('mine')
  })
})

describe('the buttons', () => {
  it('work without script: the browser comes back to the page that it was on', async () => {
    const portal = await startPortal()
    const job = await portal.basic('pressed')
    const press = async (action: string, referer?: string) =>
      await portal.ask(`/telesto/jobs/${job.id}/${action}`, {
        as: 'ada',
        body: new URLSearchParams(),
        headers: { 'sec-fetch-site': 'same-origin', ...(referer === undefined ? {} : { referer }) },
      })
    const fromList = await press('execute', `${portal.origin}/telesto/jobs?search=press&page=1&evil=1`)
    expect([fromList.status, fromList.headers.get('location')]).toEqual([303, '/telesto/jobs?search=press&page=1'])
    const fromPage = await press('stop', `${portal.origin}/telesto/jobs/${job.id}`)
    expect([fromPage.status, fromPage.headers.get('location')]).toEqual([303, `/telesto/jobs/${job.id}`])
    const foreign = await press('resubmit', 'https://evil.example//evil.example/jobs?x=//evil.example')
    expect(foreign.headers.get('location')).toBe('/telesto/jobs')
    await job.refresh()
    await job.stop()
    expect((await press('delete')).headers.get('location')).toBe('/telesto/jobs')
    await expect(job.refresh()).rejects.toThrow('There is no job')
  })

  it('that come too late show the page with the reason', async () => {
    const portal = await startPortal()
    const job = await portal.basic('late')
    const body = new URLSearchParams()
    const onPage = await portal.page(`/jobs/${job.id}/stop`, { as: 'ada', body })
    expect(onPage.status).toBe(409)
    expect(onPage.html).toContain('which does not allow stop')
    expect(onPage.html).toContain('id="job-head"')
    const headers = { referer: `${portal.origin}/telesto/jobs?search=late` }
    const onList = await portal.page(`/jobs/${job.id}/stop`, { as: 'ada', body, headers })
    expect([onList.status, onList.html.includes('id="rows"'), onList.html.includes('does not allow stop')]).toEqual([
      409,
      true,
      true,
    ])
  })

  it('answer a script with the pieces that changed', async () => {
    const portal = await startPortal()
    const job = await portal.basic('pieces')
    const press = async (action: string, current: string) =>
      await portal.page(`/jobs/${job.id}/${action}`, {
        as: 'ada',
        method: 'POST',
        headers: { 'hx-request': 'true', 'hx-current-url': portal.origin + current },
      })
    const list = await press('execute', '/telesto/jobs?page=1')
    expect(list.html).toContain(`<hx-partial hx-target="#job-${job.id}" hx-swap="outerMorph"><tr id="job-${job.id}"`)
    expect(list.html).toContain('is on its way')
    const page = await press('stop', `/telesto/jobs/${job.id}`)
    expect(page.html).toContain('<hx-partial hx-target="#job-head" hx-swap="outerMorph">')
    const late = await press('stop', `/telesto/jobs/${job.id}`)
    expect([late.status, late.html.includes('class="notice error"')]).toEqual([409, true])
    const gone = await press('delete', `/telesto/jobs/${job.id}`)
    expect([gone.status, gone.headers.get('hx-redirect')]).toEqual([200, '/telesto/jobs'])
  })
})

describe('the log on its own page', () => {
  it('shows it as text, from the end, with bytes that are no UTF-8', async () => {
    const portal = await startPortal({ runLoops: true })
    const job = await portal.nile.createJob({ name: 'logs', user: 'ada', jobType: 'TOY' })
    await job.execute()
    await expect
      .poll(async () => (await portal.api(`/jobs/${job.id}/logs`)).json.logs, { timeout: 10_000 })
      .toHaveLength(1)
    const { status, html } = await portal.page(`/jobs/${job.id}/logs?name=stdout`)
    expect(status).toBe(200)
    expect(html).toContain('&lt;script>alert(&quot;log&quot;)&lt;/script> über')
    expect(html).toContain('\uFFFD\uFFFD end')
    expect((await portal.page(`/jobs/${job.id}/logs?from=99999`)).html).toContain('Bytes 99999–99999')
  })
})

describe('where the router is mounted', () => {
  const links = (html: string): string[] =>
    [...html.matchAll(/(?:href|src|action|hx-get|hx-sse:connect)="([^"]*)"/g)].map(([, link]) => link ?? '')

  it('links lead below that place, and lead somewhere', async () => {
    const portal = await startPortal({}, (app, telesto) => app.use('/compute/here', telesto.router))
    const job = await portal.basic('mounted')
    for (const where of ['/compute/here/jobs', `/compute/here/jobs/${job.id}/`, '/compute/here/jobs/']) {
      const response = await portal.ask(where, { as: 'ada' })
      expect([where, response.status]).toEqual([where, 200])
      const own = links(await response.text()).filter((link) => !link.startsWith('#'))
      expect(own.length).toBeGreaterThan(8)
      for (const link of own) {
        expect(link).toMatch(/^\/compute\/here\//)
        if (/\.(css|js|svg)$/.test(link)) expect((await portal.ask(link)).status).toBe(200)
      }
    }
    expect((await portal.ask('/compute/here/', { as: 'ada' })).headers.get('location')).toBe('/compute/here/jobs')
  })

  it('behind a proxy that strips a prefix they lead to the configured address', async () => {
    const portal = await startPortal({ url: 'https://portal.example/apps/telesto/' }, (app, telesto) =>
      app.use('/internal', telesto.router),
    )
    const own = links(await (await portal.ask('/internal/jobs', { as: 'ada' })).text()).filter(
      (link) => !link.startsWith('#'),
    )
    for (const link of own) expect(link).toMatch(/^\/apps\/telesto\//)
    expect((await portal.ask('/internal/', { as: 'ada' })).headers.get('location')).toBe('/apps/telesto/jobs')
  })

  it('at the root it leaves to the host what it does not know', async () => {
    const portal = await startPortal({}, (app, telesto) => {
      app.use(telesto.router)
      app.get('/about', (_req, res) => void res.send('about us'))
    })
    expect(await (await portal.ask('/about', { as: 'ada' })).text()).toBe('about us')
    expect((await portal.ask('/jobs', { as: 'ada' })).status).toBe(200)
    expect((await portal.ask('/', { as: 'ada' })).headers.get('location')).toBe('/jobs')
  })

  it('a place that the browser spells makes no address of its own', () => {
    const urls = { page: (inner: string) => `/telesto${inner}`, callback: () => undefined }
    for (const baseUrl of ['//evil.example/t', '/\\evil.example/t', '///evil.example//t/']) {
      expect(createLinks(urls, baseUrl).jobs).toBe('/evil.example/t/jobs')
    }
    expect(createLinks(urls, '').jobs).toBe('/jobs')
  })
})

describe('script and style', () => {
  it('have names of their own for every content, and may be kept for ever', async () => {
    const portal = await startPortal()
    const { html } = await portal.page('/jobs')
    const css = /href="([^"]+\.css)"/.exec(html)?.[1] ?? ''
    const response = await portal.ask(css)
    expect(response.headers.get('cache-control')).toBe('public, max-age=31536000, immutable')
    expect(response.headers.get('content-type')).toBe('text/css; charset=utf-8')
    const etag = response.headers.get('etag') ?? ''
    const again = await portal.ask(css, { headers: { 'if-none-match': etag } })
    expect([again.status, await again.text()]).toEqual([304, ''])
    for (const name of ['telesto.css', 'telesto.000000000000.css', '..%2f..%2fpackage.json', '__proto__']) {
      expect((await portal.ask(`/telesto/assets/${name}`)).status).toBe(404)
    }
  })

  it('answer HEAD without a body', async () => {
    const portal = await startPortal()
    const head = await portal.ask('/telesto/jobs', { as: 'ada', method: 'HEAD' })
    expect([head.status, await head.text()]).toEqual([200, ''])
    expect(Number(head.headers.get('content-length'))).toBeGreaterThan(1000)
  })
})
