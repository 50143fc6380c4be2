import { expect, it } from 'vitest'
import { startPortal } from './support.js'

it('the router works in an app of Express 4, with the middleware and the callback beside it', async () => {
  const { default: express4 } = (await import('express4' as string)) as { default: typeof import('express') }
  const portal = await startPortal(
    {},
    (app, telesto) => {
      app.use(telesto.middleware)
      app.use('/telesto', telesto.router)
      app.use(telesto.callbackRouter)
      app.get('/who', (req, res) => void res.json({ id: req.telesto.user.id }))
    },
    express4,
  )
  const job = await portal.basic('in four')
  expect((await portal.page('/jobs')).html).toContain('in four')
  expect((await portal.api(`/jobs/${job.id}/execute`, { as: 'ada', body: {} })).json.status).toBe('Submitted')
  expect((await portal.api(`/jobs/${job.id}`, { as: 'bob' })).status).toBe(404)
  expect(await (await portal.ask('/update-job-status/7/')).json()).toEqual({ success: true })
  expect(await (await portal.ask('/who', { as: 'ada' })).json()).toEqual({ id: 'ada' })
  expect((await portal.api('/jobs?colour=red')).json.error?.code).toBe('unknown_field')
  expect((await portal.page('/nothing')).status).toBe(404)
})
