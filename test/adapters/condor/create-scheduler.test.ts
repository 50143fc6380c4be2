import { expect, test } from 'vitest'
import { condor, createCondorScheduler } from '../../../adapters/condor.js'
import { createTelesto } from '../../../src/index.js'
import { expectRefusal, temporaryDirectory } from '../../fixture.js'

test('A pool is one record: this machine without a host, else the host; a name is taken once', async () => {
  const telesto = await createTelesto({
    adapters: [condor],
    directory: await temporaryDirectory(),
    identify: () => undefined,
  })
  try {
    const here = await createCondorScheduler(telesto, { name: 'here' })
    expect(here).toMatchObject({ name: 'here', adapter: 'condor', config: { host: '' } })
    const there = { name: 'there', host: 'submit.example', username: 'portal', privateKeyPath: '/keys/portal' }
    await createCondorScheduler(telesto, there)
    const { name: _, ...config } = there
    expect(await telesto.getScheduler('there')).toMatchObject({ config: { ...config, port: 22 } })
    await expectRefusal(() => createCondorScheduler(telesto, there), 'scheduler_name_taken', 'name')
    await expectRefusal(() => createCondorScheduler(telesto, { name: 'x', port: 0 }), 'invalid', 'config.port')
  } finally {
    await telesto.close()
  }
})
