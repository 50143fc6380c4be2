import { describe, expect, it } from 'vitest'
import { newKey } from '../../src/key-ring.js'
import { shell } from '../cli/adapters.js'
import { sshServer } from '../schedulers/ssh-server.js'
import { startPortal } from './support.js'

const PASSWORD = 'Swordfish-7301'
const KEYS = [newKey()]

const withAdmin = async () => {
  const portal = await startPortal({ more: [shell], keys: KEYS })
  portal.telesto.app('flood', {
    schedulerSettings: { compute: { adapter: 'shell', description: 'Where the models run', required: true } },
  })
  const as = 'root' as const
  await expect.poll(async () => (await portal.telesto.listSchedulerSettings()).length).toBe(1)
  return {
    ...portal,
    see: async (where: string) => await portal.page(where, { as }),
    send: async (where: string, fields: Readonly<Record<string, string>> = {}) =>
      await portal.page(where, { as, body: new URLSearchParams(fields) }),
  }
}
type Admin = Awaited<ReturnType<typeof withAdmin>>

/** The path of the page of a record that was made by the form. */
const made = async ({ send }: Admin, fields: Readonly<Record<string, string>>): Promise<string> => {
  const { status, headers } = await send('/schedulers', { adapter: 'shell', name: 'host', ...fields })
  expect(status).toBe(303)
  return (headers.get('location') ?? '').replace('/telesto', '')
}
const inputs = (html: string): Record<string, string> =>
  Object.fromEntries(
    [...html.matchAll(/<input [^>]*name="([^"]*)"[^>]*>/g)].map(([tag, name = '']) => [
      name,
      / value="([^"]*)"/.exec(tag)?.[1] ?? '',
    ]),
  )

describe('the pages of schedulers', () => {
  it('are for administrators: others see neither them nor the way there', async () => {
    const portal = await withAdmin()
    expect((await portal.see('/jobs')).html).toContain('href="/telesto/schedulers"')
    expect((await portal.page('/jobs')).html).not.toContain('/telesto/schedulers')
    for (const [as, status] of [
      ['ada', 403],
      [undefined, 401],
    ] as const) {
      const who = as === undefined ? {} : { as }
      expect((await portal.page('/schedulers', who)).status).toBe(status)
      expect((await portal.page('/schedulers/1', who)).status).toBe(status)
      const body = new URLSearchParams({ adapter: 'shell', name: 'mine' })
      expect((await portal.page('/schedulers', { ...who, body })).status).toBe(status)
    }
    expect(await portal.telesto.getScheduler('mine')).toBe(null)
    expect((await portal.see('/schedulers/999')).status).toBe(404)
  })

  it('draw the form from the schema, with what holds where nothing is given', async () => {
    const { see } = await withAdmin()
    expect((await see('/schedulers')).html).toContain('href="/telesto/schedulers/new?adapter=shell"')
    const { html } = await see('/schedulers/new?adapter=shell')
    expect(inputs(html)).toMatchObject({ 'config.host': '', 'config.port': '22', 'config.password': '' })
    expect(html).toContain('type="password"')
    expect(html).toContain('A name or an address, reached over SSH.')
    expect((await see('/schedulers/new?adapter=none')).status).toBe(404)
  })

  it('make a record, with its secret, which never comes out; a form that is sent back unchanged changes nothing', async () => {
    const portal = await withAdmin()
    const fields = { 'config.host': 'pool.example', 'config.password': PASSWORD, maxActiveJobs: '20' }
    const place = await made(portal, fields)
    const { html } = await portal.see(place)
    expect(html).not.toContain(PASSWORD)
    expect(html).toContain('One is stored.')
    expect(inputs(html)).toMatchObject({ 'config.host': 'pool.example', 'config.password': '', maxActiveJobs: '20' })
    const { 'remove.config.password': _, ...same } = inputs(html)
    const before = await portal.sql('SELECT action, user_id FROM telesto_audit ORDER BY id')
    expect(before.at(-1)).toEqual({ action: 'createScheduler', user_id: 'grace' })
    const { html: saved } = await portal.send(place, same)
    expect(saved).toContain('Saved.')
    expect(await portal.sql('SELECT action, user_id FROM telesto_audit ORDER BY id')).toEqual(before)
    expect(await portal.telesto.getScheduler('host')).toMatchObject({ secretsSet: ['password'], maxActiveJobs: 20 })
  })

  it('change what was changed: an emptied limit is none, an emptied field is removed, a secret only where it is ticked', async () => {
    const portal = await withAdmin()
    const given = { 'config.username': 'ada', 'config.password': PASSWORD, maxActiveJobs: '20' }
    const place = await made(portal, given)
    await portal.send(place, { 'config.username': '', 'config.password': '', maxActiveJobs: '', enabled: 'false' })
    const record = await portal.telesto.getScheduler('host')
    expect(record).toMatchObject({ secretsSet: ['password'], maxActiveJobs: null, enabled: false })
    expect(record?.config.username).toBeUndefined()
    await portal.send(place, { 'remove.config.password': 'true' })
    expect(await portal.telesto.getScheduler('host')).toMatchObject({ secretsSet: [] })
  })

  it('show a form again with what is wrong at its field, and nothing is stored', async () => {
    const { send, telesto } = await withAdmin()
    for (const [fields, field, sentence] of [
      [{ name: 'host', 'config.host': 'two words', 'config.password': PASSWORD }, 'config.host', 'must be a host name'],
      [{ name: 'host', 'config.port': 'ssh' }, 'config.port', 'Port must be a number.'],
      [{ name: 'host', maxActiveJobs: '0' }, 'maxActiveJobs', 'must be a whole number of 1 or more'],
      [{ name: '' }, 'name', 'name'],
    ] as const) {
      const { status, html } = await send('/schedulers', { adapter: 'shell', ...fields })
      expect(status).toBe(400)
      const after = html.split(`name="${field}"`)[1] ?? ''
      expect(after.slice(0, 600)).toMatch(/aria-invalid="?true/)
      expect(after).toContain(sentence)
      expect(html).not.toContain(PASSWORD)
    }
    expect(await telesto.getScheduler('host')).toBe(null)
  })

  it('test a host, show its key, and accept it: nothing is sent to it before, nor to another key after', async () => {
    const host = await sshServer(PASSWORD)
    const portal = await withAdmin()
    const fields = { 'config.host': '127.0.0.1', 'config.port': String(host.port), 'config.username': 'ada' }
    const place = await made(portal, { ...fields, 'config.password': PASSWORD })
    const unknown = (await portal.send(`${place}/test`)).html
    const { fingerprint = '' } = inputs(unknown)
    expect(fingerprint).toMatch(/^SHA256:[\w+/]{43}$/)
    expect(unknown).toContain('A host that is not known yet')
    expect(host.logins).toBe(0)
    const accepted = await portal.send(`${place}/accept-host-key`, { fingerprint })
    expect(accepted.html).toContain('Test: host is ok, version shell')
    expect(host.logins).toBe(1)
    expect((await portal.send(`${place}/accept-host-key`, { fingerprint: 'aa:bb' })).status).toBe(400)
    await host.reinstall()
    const changed = async () => (await portal.send(`${place}/test`)).html
    await expect.poll(changed, { timeout: 20_000, interval: 1100 }).toContain('Another host key than before')
    expect(host.logins).toBe(1)
    expect((await portal.see('/schedulers')).html).toContain('Blocked')
  })

  it('tell of a host that is not there, and of an adapter that has no test', async () => {
    const portal = await withAdmin()
    const place = await made(portal, { 'config.host': '127.0.0.1', 'config.port': '1', 'config.password': PASSWORD })
    expect((await portal.send(`${place}/test`)).html).toMatch(
      /class="notice error">Test: [^<]*127\.0\.0\.1:1 cannot be reached/,
    )
    const toy = (await portal.telesto.getScheduler('toy'))?.id
    const { status, html } = await portal.send(`/schedulers/${toy}/test`)
    expect([status, html]).toEqual([409, expect.stringContaining('The adapter toy has no test.')])
  })

  it('assign a record to a setting, take it away again, and remove it', async () => {
    const portal = await withAdmin()
    const place = await made(portal, {})
    const { html } = await portal.see('/schedulers')
    expect(html).toContain('flood: compute')
    expect(html).toContain('Needs a scheduler')
    const assigned = async () => (await portal.telesto.listSchedulerSettings())[0]?.scheduler
    const setting = { app: 'flood', setting: 'compute' }
    expect((await portal.send('/schedulers/settings', { ...setting, scheduler: 'host' })).status).toBe(303)
    expect(await assigned()).toBe('host')
    await portal.send('/schedulers/settings', { ...setting, scheduler: '' })
    expect(await assigned()).toBe(null)
    const wrong = await portal.send('/schedulers/settings', { ...setting, scheduler: 'toy' })
    expect([wrong.status, wrong.html]).toEqual([400, expect.stringContaining('needs a scheduler of the adapter shell')])
    expect((await portal.send(`${place}/remove`)).headers.get('location')).toBe('/telesto/schedulers')
    expect(await portal.telesto.getScheduler('host')).toBe(null)
  })

  it('say that a record with active jobs stays where it is, unless they are given up', async () => {
    const portal = await withAdmin()
    const job = await portal.nile.createJob({ name: 'run', user: 'ada', jobType: 'TOY' })
    await job.execute()
    const toy = (await portal.telesto.getScheduler('toy'))?.id
    const { status, html } = await portal.send(`/schedulers/${toy}/remove`)
    expect([status, html]).toEqual([409, expect.stringContaining('has 1 active job.')])
    expect(html).toContain('name="abandon"')
    expect((await portal.send(`/schedulers/${toy}/remove`, { abandon: 'true' })).status).toBe(303)
    expect(await portal.nile.getJob(job.id)).toMatchObject({ status: 'Error', cause: 'abandoned' })
    expect(await portal.sql(`SELECT user_id FROM telesto_audit WHERE action = 'removeScheduler'`)).toEqual([
      { user_id: 'grace' },
    ])
  })
})
