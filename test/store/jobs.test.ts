import { afterEach, describe, expect, test, vi } from 'vitest'
import type { Job, User } from '../../src/index.js'
import type { Order } from '../../src/query.js'
import { Handle } from '../../src/store/handle.js'
import { ORDER_COLUMNS, type OrderField } from '../../src/store/list.js'
import { sharedTelesto } from '../fixture.js'

const shared = sharedTelesto()
const ADMIN: User = { id: 'root', isAdmin: true }
afterEach(() => vi.restoreAllMocks())

/** The statements of `work`, in order. */
const statementsOf = async (work: () => PromiseLike<unknown>): Promise<string[]> => {
  const execute = vi.spyOn(Handle.prototype, 'execute')
  await work()
  const statements = execute.mock.calls.map(([sql]) => sql)
  execute.mockRestore()
  return statements
}
/** How SQLite would carry out the list of a query. */
const planOf = async (query: PromiseLike<Job[]>): Promise<string> => {
  const [list = ''] = await statementsOf(() => query)
  expect(list).toMatch(/^SELECT j\.id .* ORDER BY /s)
  const plan = await shared.sql(`EXPLAIN QUERY PLAN ${list.replace(/\$\d+/g, "'x'")}`)
  return plan.map((step) => String(step.detail)).join('; ')
}

describe('every order that a list offers has its index', () => {
  const columns = Object.entries(ORDER_COLUMNS).map(
    ([field, { ofJob }]) => [field as OrderField, ofJob.slice(2)] as const,
  )
  const orders = columns.flatMap(([field, column]): [Order, string][] => [
    [field, column],
    [`-${field}`, column],
  ])

  test.each(orders)('%s: over all apps, within an app, of one owner', async (order, column) => {
    const app = await shared.newApp()
    const all = await planOf(shared.telesto.as(ADMIN).query().orderBy(order).slice(0, 50))
    expect(all).toMatch(
      column === 'id' ? /^SCAN j(;|$)/ : new RegExp(`^SCAN j USING INDEX telesto_jobs_${column}(;|$)`),
    )
    const within = await planOf(app.listJobs({ orderBy: order }).slice(0, 50))
    expect(within).toMatch(new RegExp(`^SEARCH j USING INDEX telesto_jobs_app_${column} \\(app=\\?\\)`))
    const owned = await planOf(shared.telesto.as({ id: 'ada' }).query().orderBy(order).slice(0, 50))
    expect(owned).toMatch(new RegExp(`^SEARCH j USING INDEX telesto_jobs_user_${column} \\(user_id=\\?\\)`))
    for (const plan of [all, within, owned]) expect(plan).not.toContain('TEMP B-TREE')
  })

  test.each(orders)(
    '%s: what a member of groups sees is merged from an index of each source',
    async (order, column) => {
      const ada = shared.telesto.as({ id: 'ada', groups: ['hydro', 'ops'] })
      const [list = ''] = await statementsOf(() => ada.query().orderBy(order).slice(0, 50))
      const steps = await shared.sql(`EXPLAIN QUERY PLAN ${list.replace(/\$\d+/g, "'x'")}`)
      const plan = steps.map((step) => String(step.detail))
      const sources = plan.filter((step) => /^SEARCH [jg] USING/.test(step))
      expect(sources).toEqual([
        expect.stringMatching(new RegExp(`^SEARCH j USING .*INDEX telesto_jobs_user_${column} \\(user_id=`)),
        ...Array(2).fill(
          expect.stringMatching(new RegExp(`^SEARCH g USING .*INDEX telesto_groups_${column} \\(name=`)),
        ),
        expect.stringMatching(/^SEARCH j USING INTEGER PRIMARY KEY/),
      ])
    },
  )

  test('whether a member of groups sees a job is known without the other jobs of the groups', async () => {
    const ada = shared.telesto.as({ id: 'ada', groups: ['hydro', 'ops'] })
    const plan = await planOf(ada.query().filter({ id: 7 }).slice(0, 1))
    expect(plan).toMatch(/^SEARCH j USING INTEGER PRIMARY KEY/)
    expect(plan).toMatch(
      /CORRELATED SCALAR SUBQUERY \d+; SEARCH g USING [A-Z ]*INDEX \S+ \((job_id=\? AND name=\?|name=\? AND job_id=\?)\)/,
    )
  })

  test('jobs of a status of the app’s own are found by its index', async () => {
    const plan = await planOf(shared.telesto.as(ADMIN).query().filter({ status: 'Archived' }).slice(0, 50))
    expect(plan).toMatch(/telesto_jobs_custom_status/)
  })

  test('the history of a job is read with one look at an index for each table', async () => {
    const steps = await shared.sql(
      `EXPLAIN QUERY PLAN SELECT e.id, a.address FROM telesto_events e
         LEFT JOIN telesto_audit a ON a.job_id = e.job_id AND a.event_id = e.id
         WHERE e.job_id = 7 AND e.id > 0 AND e.kind <> 'progress' ORDER BY e.id LIMIT 200`,
    )
    const plan = steps.map(({ detail }) => String(detail))
    expect(plan).toHaveLength(2)
    expect(plan[0]).toContain('USING INDEX telesto_events_job (job_id=? AND id>?)')
    expect(plan[1]).toContain('USING INDEX telesto_audit_job (job_id=? AND event_id=?)')
  })

  test('the current attempt of each is found by its id', async () => {
    const app = await shared.newApp()
    expect(await planOf(app.query())).toContain('SEARCH a USING INTEGER PRIMARY KEY')
  })
})

describe('a list of jobs', () => {
  const filled = async (count: number) => {
    const app = await shared.newApp()
    const parent = await app.createJob({ name: 'parent', user: 'ada', jobType: 'BASIC' })
    const options = {
      name: 'job {id}',
      user: 'ada',
      jobType: 'BASIC',
      command: ['true'],
      groups: 'hydro',
      tags: { a: '1' },
      parents: [parent.id],
    } as const
    await app.bulkCreate(Array.from({ length: count }, () => options))
    return app
  }

  test('takes a constant number of statements: for 10 jobs as for 1,000', async () => {
    const [few, many] = [await filled(10), await filled(1000)]
    const ofFew = await statementsOf(() => few.listJobs())
    const ofMany = await statementsOf(() => many.listJobs())
    expect([ofFew.length, ofMany.length]).toEqual([2, 2])
    expect(await many.listJobs()).toHaveLength(1001)
    for (const app of [few, many]) {
      expect(await statementsOf(() => app.query().count())).toHaveLength(1)
      expect(await statementsOf(() => app.query().exists())).toHaveLength(1)
      expect(
        await statementsOf(() => app.listJobs({ groups: 'hydro', orderBy: '-creationTime' }).slice(5, 10)),
      ).toHaveLength(2)
    }
  })
  test('that is empty takes one statement', async () => {
    const app = await shared.newApp()
    expect(await statementsOf(() => app.query())).toHaveLength(1)
  })
  test('gives each job its own groups, tags and parents', async () => {
    const app = await filled(3)
    const [parent, ...children] = await app.query()
    expect([parent?.groups, parent?.tags, parent?.parents]).toEqual([[], {}, []])
    for (const child of children)
      expect([child.groups, child.tags, child.parents]).toEqual([['hydro'], { a: '1' }, [parent?.id]])
  })
  test('reading a property asks nothing', async () => {
    const app = await filled(1)
    const [job] = await app.query()
    expect(await statementsOf(async () => JSON.stringify(job))).toEqual([])
  })
})

test('many jobs are stored by few statements', async () => {
  const app = await shared.newApp()
  const options = { name: 'job {id}', user: 'ada', jobType: 'BASIC', groups: ['a', 'b'] } as const
  const statements = await statementsOf(() => app.bulkCreate(Array.from({ length: 1000 }, () => options)))
  expect(statements.length).toBeLessThan(100)
})
