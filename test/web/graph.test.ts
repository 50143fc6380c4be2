import { describe, expect, test } from 'vitest'
import { startPortal } from './support.js'

const diamond = {
  d: ['b', 'c'],
  a: [],
  b: ['a'],
  c: ['a'],
  '<e>': ['a', 'b', 'c', 'd', 'f', 'g', 'h'],
  f: [],
  g: [],
  h: [],
}
const create = async (steps?: Record<string, string[]>) => {
  const portal = await startPortal()
  const options = { name: 'dag', user: 'ada', jobType: 'TOY', manual: true, ...(steps ? { steps } : {}) } as const
  return { portal, job: await portal.nile.createJob(options) }
}
const rowsOf = (html: string): string[][] =>
  [
    ...(html.split('id="job-parts"')[1] ?? '')
      .replace(/<\/section>.*/s, '')
      .matchAll(/<tr><th scope="row">(.*?)<\/tr>/g),
  ].map(([, row = '']) => row.split(/<\/t[hd]>/).map((cell) => cell.replaceAll(/<[^>]*>/g, '').trim()))

describe('the graph of a job', () => {
  test('is known before it runs, by level, and then with how each node is', async () => {
    const { portal, job } = await create(diamond)
    expect(job.nodes[0]).toEqual({ name: 'd', parents: ['b', 'c'] })
    const levels = [...(await job.graph())].map(({ name, level, part }) => [name, level, part])
    expect(levels).toEqual(
      [
        ['a', 0],
        ['f', 0],
        ['g', 0],
        ['h', 0],
        ['b', 1],
        ['c', 1],
        ['d', 2],
        ['<e>', 3],
      ].map((node) => [...node, null]),
    )
    await job.execute()
    await job.updateParts([
      { name: 'b', state: 'failed', message: 'no memory', exitCode: 3 },
      { name: 'a', state: 'succeeded' },
      { name: 'S+x', state: 'queued' },
    ])
    const { json } = await portal.api(`/jobs/${job.id}/graph`, { as: 'ada' })
    expect(json.nodes).toHaveLength(8)
    expect((json.nodes as object[])[4]).toEqual({
      name: 'b',
      level: 1,
      parents: ['a'],
      part: expect.objectContaining({ name: 'b', state: 'failed', message: 'no memory', exitCode: 3, nativeId: null }),
    })
    expect((json.nodes as object[])[6]).toEqual({ name: 'd', level: 2, parents: ['b', 'c'], part: null })
  })
  test('is listed on the page of the job: what waits for what, and what the graph does not name', async () => {
    const { portal, job } = await create(diamond)
    const before = rowsOf((await portal.page(`/jobs/${job.id}`, { as: 'ada' })).html)
    expect(before.map(([name, after, state]) => [name, after, state])).toEqual([
      ['a', '', ''],
      ['f', '', ''],
      ['g', '', ''],
      ['h', '', ''],
      ['b', 'a', ''],
      ['c', 'a', ''],
      ['d', 'b, c', ''],
      ['&lt;e>', 'a, b, c, d, f and 2 more', ''],
    ])
    await job.execute()
    await job.updateParts([
      { name: 'b', state: 'failed', message: 'no memory', exitCode: 3 },
      { name: 'S+x', state: 'queued' },
    ])
    const rows = rowsOf((await portal.page(`/jobs/${job.id}`, { as: 'ada' })).html)
    expect([rows[4]?.[0], rows[4]?.[2], rows[4]?.[5]]).toEqual(['b', 'Failed', 'no memory · exit code 3'])
    expect([rows[8]?.[0], rows[8]?.[1], rows[8]?.[2]]).toEqual(['S+x', '', 'Queued'])
  })
  test('of a job without one is empty, and its parts are listed as they were', async () => {
    const { portal, job } = await create()
    expect([job.nodes, await job.graph()]).toEqual([[], []])
    expect((await portal.api(`/jobs/${job.id}/graph`, { as: 'ada' })).json).toEqual({ nodes: [] })
    const { html } = await portal.page(`/jobs/${job.id}`, { as: 'ada' })
    expect(html.split('id="job-parts"')[1]).toMatch(/^ class="panel" hidden/)
    await job.execute()
    await job.updateParts([{ name: 'mesh', state: 'queued' }])
    const page = await portal.page(`/jobs/${job.id}`, { as: 'ada' })
    expect(page.html).not.toContain('After</th>')
    expect(rowsOf(page.html)[0]?.slice(0, 2)).toEqual(['mesh', 'Queued'])
  })
  test('in which nodes wait for each other is refused with the path, and nothing is stored', async () => {
    const { portal } = await create()
    const make = portal.nile.createJob({
      name: 'dag',
      user: 'ada',
      jobType: 'TOY',
      steps: { a: ['c'], b: ['a'], c: ['b'], d: ['c'] },
    })
    await expect(make).rejects.toMatchObject({
      code: 'parents_cycle',
      field: 'nodes',
      message: 'The node a would wait for itself: a → c → b → a.',
    })
    expect(await portal.nile.query().count()).toBe(1)
  })
  test('is told to those alone who see the job', async () => {
    const { portal, job } = await create(diamond)
    expect((await portal.api(`/jobs/${job.id}/graph`, { as: 'bob' })).status).toBe(404)
  })
})
