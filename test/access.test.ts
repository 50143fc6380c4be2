import { describe, expect, test } from 'vitest'
import { type Action, defaultAccess, type User } from '../src/access.js'
import type { Job } from '../src/index.js'
import { expectRefusal, sharedTelesto } from './fixture.js'

const BASIC = { name: 'a job', user: 'ada', jobType: 'BASIC' } as const
const PEOPLE: Readonly<Record<string, User>> = {
  owner: { id: 'ada' },
  'group member': { id: 'mae', groups: ['other', 'hydro'] },
  stranger: { id: 'sam', groups: ['other'] },
  'somebody whose group is called like the owner': { id: 'zoe', groups: ['ada'] },
  'somebody who is nearly an admin': { id: 'nea', isAdmin: 'true' as unknown as boolean },
  admin: { id: 'root', isAdmin: true },
}
const SEE = ['owner', 'group member', 'admin']
const READING = ['logs', 'results', 'attempts', 'parts'] as const

const shared = sharedTelesto()
const setting = async () => {
  const app = await shared.newApp()
  const [private_, grouped] = (await app.bulkCreate([BASIC, { ...BASIC, groups: 'hydro' }])) as [Job, Job]
  return { app, private_, grouped }
}

describe('by default', () => {
  test.each(Object.entries(PEOPLE))('the %s sees what is theirs', async (who, user) => {
    const { app, private_, grouped } = await setting()
    const view = shared.telesto.as(user)
    const mine = view.app(app.app)
    const expected = [
      ...(who === 'owner' || who === 'admin' ? [private_.id] : []),
      ...(SEE.includes(who) ? [grouped.id] : []),
    ]
    expect((await mine.listJobs()).map((job) => job.id)).toEqual(expected)
    expect(await mine.query().count()).toBe(expected.length)
    expect(await mine.query().exists()).toBe(expected.length > 0)
    expect((await mine.query().first())?.id).toBe(expected[0])
    const iterated: number[] = []
    for await (const job of mine.query()) iterated.push(job.id)
    expect(iterated).toEqual(expected)
    expect((await view.query().filter({ app: app.app })).map((job) => job.id)).toEqual(expected)
  })

  test.each(Object.entries(PEOPLE))('to the %s a job that they may not see does not exist', async (who, user) => {
    const { app, grouped } = await setting()
    const view = shared.telesto.as(user)
    const mine = view.app(app.app)
    const found = [
      await mine.getJob(grouped.id),
      await view.getJob(grouped.id),
      await mine.query().filter({ id: grouped.id }).first(),
    ]
    expect(found.map((job) => job?.id)).toEqual(Array(3).fill(SEE.includes(who) ? grouped.id : undefined))
    if (SEE.includes(who)) return
    await expectRefusal(() => mine.query().get({ id: grouped.id }), 'job_does_not_exist')
    await expectRefusal(
      () => mine.createJob({ ...BASIC, command: ['true'], user: user.id, parents: [grouped.id] }),
      'unknown_parent',
      'parents',
    )
    expect(await mine.query().update({ name: 'stolen' })).toBe(0)
    expect(await mine.query().delete()).toBe(0)
    await grouped.refresh()
    expect(grouped.name).toBe('a job')
  })

  test('filters cannot widen what one sees', async () => {
    const { app } = await setting()
    const his = shared.telesto.as({ id: 'sam' }).app(app.app)
    expect(await his.query().filter({ or: [{ user: 'ada' }, {}] })).toEqual([])
    expect(await his.query().exclude({ user: 'sam' })).toEqual([])
    expect(await his.listJobs({ user: 'ada' })).toEqual([])
    expect(await his.query().filter({ idNe: [] })).toEqual([])
  })

  test('owner, group member and admin may do everything, others nothing', async () => {
    const job = { id: 1, app: 'a', user: 'ada', groups: ['hydro'] }
    const actions: Action[] = [
      'read',
      'edit',
      'execute',
      'stop',
      'pause',
      'resume',
      'resubmit',
      'collect',
      'delete',
      'updateStatus',
    ]
    for (const [who, user] of Object.entries(PEOPLE))
      for (const action of actions)
        expect([who, defaultAccess.may(user, action, job)]).toEqual([who, SEE.includes(who)])
  })

  test('one creates jobs for oneself; an admin for anybody', async () => {
    const { app } = await setting()
    const hers = shared.telesto.as({ id: 'ada' }).app(app.app)
    expect((await hers.createJob(BASIC)).user).toBe('ada')
    for (const create of [
      () => hers.createJob({ ...BASIC, user: 'bob' }),
      () => hers.buildJob({ ...BASIC, user: 'bob' }),
    ])
      expect((await expectRefusal(create, 'forbidden', 'user')).status).toBe(403)
    await expectRefusal(() => hers.bulkCreate([BASIC, { ...BASIC, user: 'bob' }]), 'forbidden', '1.user')
    const theirs = shared.telesto.as({ id: 'root', isAdmin: true }).app(app.app)
    expect((await theirs.createJob({ ...BASIC, user: 'bob' })).user).toBe('bob')
  })

  test('a job that one sees no longer is not_found when it is refreshed', async () => {
    const { app, grouped } = await setting()
    const hers = await shared.telesto
      .as({ id: 'mae', groups: ['hydro'] })
      .app(app.app)
      .getJob(grouped.id)
    if (!hers) throw new Error('She sees it.')
    grouped.groups = []
    await grouped.save()
    await expectRefusal(() => hers.refresh(), 'not_found', 'id')
    await expectRefusal(() => hers.updateStatus(), 'not_found', 'id')
  })
  test('a member may take the job out of their own group', async () => {
    const { app, grouped } = await setting()
    const view = shared.telesto.as({ id: 'mae', groups: ['hydro'] }).app(app.app)
    const hers = await view.getJob(grouped.id)
    if (!hers) throw new Error('She sees it.')
    hers.groups = []
    await hers.save()
    expect(await view.getJob(grouped.id)).toBeNull()
  })
})

describe('nobody', () => {
  test('is not signed in, and sees nothing', async () => {
    const { app } = await setting()
    for (const nobody of [undefined, null]) {
      const view = shared.telesto.as(nobody as never)
      expect(view.isSignedIn).toBe(false)
      for (const ask of [() => view.user, () => view.query(), () => view.app(app.app), () => view.getJob(1)])
        expect((await expectRefusal(ask, 'not_signed_in')).status).toBe(401)
    }
  })
  test.each<[string, unknown, string]>([
    ['without an id', {}, 'user.id'],
    ['whose id is undefined', { id: undefined }, 'user.id'],
    ['whose id is empty', { id: '' }, 'user.id'],
    ['whose id is a number', { id: 5 }, 'user.id'],
    ['whose groups are a text', { id: 'ada', groups: 'hydro' }, 'user.groups'],
    ['whose groups are no texts', { id: 'ada', groups: [undefined] }, 'user.groups.0'],
  ])('passes for somebody: a user %s is refused', async (_name, user, field) => {
    await expectRefusal(() => shared.telesto.as(user as User), 'invalid', field)
  })
  test('an app that was not declared is unknown to everybody', async () => {
    await expectRefusal(() => shared.telesto.as({ id: 'ada' }).app('never-declared'), 'unknown_app', 'app')
  })
})

describe('where the host decides', () => {
  // Everybody of the tenant sees; only the owner acts, and only a member of the group "editors" of the job edits.
  const host = sharedTelesto({
    visible: (user) => (user.id === 'blind' ? null : { or: [{ user: ['ada', 'bob'] }] }),
    may: (user, action, job) =>
      action === 'read'
        ? user.id !== 'peek'
        : action === 'edit'
          ? job.groups.includes('editors')
          : job.user === user.id,
  })
  const anApp = async () => {
    const app = await host.newApp()
    const job = await app.createJob({ ...BASIC, groups: 'readers' })
    const as = (id: string) => host.telesto.as({ id }).app(app.app)
    const seenBy = async (id: string): Promise<Job> => {
      const seen = await as(id).getJob(job.id)
      if (!seen) throw new Error('It is visible.')
      return seen
    }
    return { app, job, as, seenBy }
  }

  test('visible null is nothing at all', async () => {
    const { as, job } = await anApp()
    expect([await as('blind').query(), await as('blind').query().count(), await as('blind').getJob(job.id)]).toEqual([
      [],
      0,
      null,
    ])
    const ids: number[] = []
    for await (const one of as('blind').query()) ids.push(one.id)
    expect([ids, await as('blind').query().update({ name: 'x' }), await as('blind').query().delete()]).toEqual([
      [],
      0,
      0,
    ])
  })
  test('what is visible and forbidden is forbidden: every action', async () => {
    const { job, seenBy } = await anApp()
    const theirs = await seenBy('bob')
    for (const action of ['execute', 'stop', 'resubmit', 'collectAgain', 'delete'] as const) {
      const error = await expectRefusal(() => theirs[action](), 'forbidden', 'action')
      expect(error.status).toBe(403)
    }
    await job.execute()
    await expectRefusal(() => theirs.pause(), 'forbidden', 'action')
    await expectRefusal(() => theirs.resume(), 'forbidden', 'action')
    await expectRefusal(() => theirs.updateStatus('Running'), 'forbidden', 'action')
    theirs.name = 'stolen'
    await expectRefusal(() => theirs.save(), 'forbidden', 'action')
    for (const action of ['execute', 'stop', 'delete', 'edit', 'updateStatus'] as const)
      expect(theirs.can(action)).toBe(false)
    expect(theirs.can('read')).toBe(true)
    await job.refresh()
    expect([job.status, job.name]).toEqual(['Submitted', 'a job'])
    expect(await host.count('telesto_audit', `job_id = ${job.id}`)).toBe(0)
  })
  test('bulk actions are forbidden as a whole where one job is', async () => {
    const { app, as } = await anApp()
    await app.createJob({ ...BASIC, user: 'bob', groups: 'editors' })
    await expectRefusal(() => as('bob').query().update({ name: 'stolen' }), 'forbidden', 'action')
    await expectRefusal(() => as('bob').query().delete(), 'forbidden', 'action')
    expect((await app.query()).map((one) => one.name)).toEqual(['a job', 'a job'])
    expect(await as('bob').query().filter({ user: 'bob' }).update({ name: 'mine' })).toBe(1)
    expect(await as('bob').query().filter({ user: 'bob' }).delete()).toBe(1)
    expect(
      await host.sql(`SELECT user_id, action FROM telesto_audit WHERE app = '${app.app}' AND job_id > 0 ORDER BY id`),
    ).toEqual([
      { user_id: 'bob', action: 'edit' },
      { user_id: 'bob', action: 'delete' },
    ])
  })
  test('an unsaved change gives nobody a right', async () => {
    const { job, seenBy } = await anApp()
    const theirs = await seenBy('bob')
    theirs.groups = ['editors']
    expect(theirs.can('edit')).toBe(false)
    await expectRefusal(() => theirs.save(), 'forbidden', 'action')
    await job.refresh()
    expect(job.groups).toEqual(['readers'])
  })
  test('what is visible and may not be read keeps its logs, results and history', async () => {
    const { seenBy } = await anApp()
    const theirs = await seenBy('bob')
    for (const question of READING) expect(await theirs[question]()).toEqual([])
    const peeking = await seenBy('peek')
    for (const question of [...READING, 'updateStatus'] as const)
      await expectRefusal(() => peeking[question](), 'forbidden', 'action')
    await expectRefusal(() => peeking.readLog({ name: 'stdout' }), 'forbidden', 'action')
    await expectRefusal(() => peeking.resultPath('x'), 'forbidden', 'action')
  })
  test('trusted code of the host is not asked', async () => {
    const { app, job } = await anApp()
    job.name = 'renamed'
    await job.save()
    expect(await app.query().update({ description: 'd' })).toBe(1)
  })
})

describe('where the filter of the host names no value', () => {
  const careless = sharedTelesto({ visible: (user) => ({ user: (user as { tenant?: string }).tenant as string }) })
  test('nothing is shown instead of everything', async () => {
    const app = await careless.newApp()
    const job = await app.createJob(BASIC)
    const view = careless.telesto.as({ id: 'sam' })
    for (const ask of [() => view.query(), () => view.query().count(), () => view.getJob(job.id)])
      await expectRefusal(ask, 'invalid', 'user')
  })
})
