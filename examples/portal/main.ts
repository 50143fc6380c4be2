// The example portal: one Express app with two users, an administrator, and the app "nile".
//
//   npm start            http://127.0.0.1:3000, or PORT; the state is kept in .telesto/

import { fileURLToPath } from 'node:url'
import express from 'express'
import { createTelesto } from 'telesto'
import { local } from 'telesto/adapters/local'
import { signIn } from './accounts.ts'
import { nileApp } from './nile.ts'

const port = Number(process.env.PORT || 3000)
const origin = `http://127.0.0.1:${port}`
const state = '.telesto'

const accounts = await signIn(state)
const telesto = await createTelesto({
  adapters: [local],
  directory: state,
  url: `${origin}/telesto`,
  identify: accounts.identify,
  log: {
    debug() {},
    info() {},
    warn: (facts, message) => console.warn(message ?? '', facts),
    error: (facts, message) => console.error(message ?? '', facts),
  },
})

const app = express()
app.disable('x-powered-by')
app.use(express.static(fileURLToPath(new URL('public', import.meta.url))))
app.use(accounts.router)
app.use(telesto.middleware)
app.use('/telesto', telesto.router)
app.use(telesto.callbackRouter)
app.use('/nile', nileApp(telesto))
app.get('/', (_req, res) => res.redirect('/telesto/jobs'))

const server = app.listen(port, '127.0.0.1', (error?: Error) => {
  if (error) throw error
  console.log(`The example portal is at ${origin}`)
  console.log(`Start an analysis at ${origin}/nile, watch it at ${origin}/telesto/jobs`)
})

const stop = (): void => {
  server.close()
  void telesto.close().then(() => process.exit(0))
}
process.once('SIGINT', stop)
process.once('SIGTERM', stop)
