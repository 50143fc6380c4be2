import { connect, createServer, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { sshTransport } from '../../src/transport/ssh.js'
import { hostKeyOf } from '../../src/transport/ssh-login.js'
import { sshServer } from './ssh-server.js'

test('what is closed while its host hangs is closed: no socket waits for the end of the other side', async () => {
  const host = await sshServer('Swordfish-7301')
  const sockets: Socket[] = []
  let hung = false
  let last: Socket | undefined
  // A host that hangs answers nothing, not even the end of a connection.
  const link = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect(host.port, '127.0.0.1')
    last = near
    for (const socket of [near, far]) sockets.push(socket.on('error', () => {}))
    near.on('data', (bytes) => void (hung || far.write(bytes)))
    far.on('data', (bytes) => void (hung || near.write(bytes)))
  })
  await new Promise<void>((listening) => link.listen(0, '127.0.0.1', listening))
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    link.close()
  })
  const { port } = link.address() as { port: number }
  const target = { host: '127.0.0.1', port, username: 'ada', directory: 'd', password: 'Swordfish-7301' }
  const { fingerprint } = await hostKeyOf(target)
  const ssh = sshTransport({ ...target, hostKey: fingerprint })
  expect((await ssh.exec(['true'])).code).toBe(0)
  hung = true
  await ssh.close()
  // To a socket that is gone nothing can be sent any more.
  await expect
    .poll(() => {
      last?.write('x')
      return last?.destroyed
    })
    .toBe(true)
})
