import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { request as httpRequest, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import express, { type Express, type Request } from 'express'
import { onTestFinished } from 'vitest'
import type { Adapter } from '../../src/adapter.js'
import { createTelesto, type TelestoOptions, type User } from '../../src/index.js'
import { createReportTokens } from '../../src/report-token.js'
import { forget, look, telestoIn } from '../database.js'
import { toy } from './toy-adapter.js'

export const ada: User = { id: 'ada', name: 'Ada Lovelace' }
export const bob: User = { id: 'bob' }
export const gus: User = { id: 'gus', groups: ['hydro'] }
export const root: User = { id: 'grace', name: 'Grace Hopper', isAdmin: true }
const USERS: Readonly<Record<string, User>> = { ada, bob, gus, root }

/** Who a request is from, as the tests say it: a header, in the place of a session. */
export const identify = (req: Request): User | undefined => USERS[req.get('x-user') ?? '']

export interface Asked {
  readonly as?: 'ada' | 'bob' | 'gus' | 'root'
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | object | URLSearchParams
}

type Options = Partial<Omit<TelestoOptions<readonly [typeof toy]>, 'adapters'>> & {
  /** Further adapters than the toy. */
  readonly more?: readonly Adapter[]
}

/** Where the host mounts the router, and what else it does. */
export type Mount = (app: Express, telesto: Portal['telesto']) => void
const mountAtTelesto: Mount = (app, telesto) => {
  app.use('/telesto', telesto.router)
  app.use(telesto.callbackRouter)
}

export type Portal = Awaited<ReturnType<typeof startPortal>>

/** A host with a Telesto of its own, on a port of its own, gone after the test. No loops run unless they are asked for. */
export const startPortal = async (
  { more = [], ...options }: Options = {},
  mount: Mount = mountAtTelesto,
  makeApp = express,
) => {
  const directory = options.directory ?? (await mkdtemp(path.join(tmpdir(), 'telesto-web-')))
  const logged: object[] = []
  const keep = (fields: object, message?: string): void => void logged.push({ ...fields, message })
  const telesto = await createTelesto({
    adapters: [toy, ...more] as unknown as readonly [typeof toy],
    ...(await telestoIn(directory)),
    identify,
    runLoops: false,
    log: { debug: () => {}, info: () => {}, warn: keep, error: keep },
    ...options,
  })
  const nile = telesto.app('nile')
  const app = makeApp()
  mount(app, telesto)
  const server = await new Promise<Server>((resolve) => {
    const listening = app.listen(0, '127.0.0.1', () => resolve(listening))
  })
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const close = async (): Promise<void> => {
    await telesto.close()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    await forget(directory)
    await rm(directory, { recursive: true, force: true })
  }
  onTestFinished(close)

  const ask = async (where: string, { as, method, headers, body }: Asked = {}): Promise<Response> => {
    const json = typeof body === 'object' && !(body instanceof URLSearchParams)
    return await fetch(origin + where, {
      method: method ?? (body === undefined ? 'GET' : 'POST'),
      redirect: 'manual',
      headers: {
        ...(as === undefined ? {} : { 'x-user': as }),
        ...(json ? { 'content-type': 'application/json' } : {}),
        ...headers,
      },
      ...(body === undefined ? {} : { body: json ? JSON.stringify(body) : (body as string | URLSearchParams) }),
    })
  }
  const sql = async <T extends object = Record<string, unknown>>(text: string): Promise<T[]> =>
    await look<T>(directory, text)
  return {
    telesto,
    nile,
    server,
    origin,
    directory,
    logged,
    ask,
    sql,
    /** What the API answers below the usual place, as JSON. */
    async api(where: string, asked: Asked = { as: 'ada' }): Promise<{ status: number; json: ApiAnswer }> {
      const response = await ask(`/telesto/api${where}`, asked)
      return { status: response.status, json: (await response.json()) as ApiAnswer }
    },
    async page(
      where: string,
      asked: Asked = { as: 'ada' },
    ): Promise<{ status: number; html: string; headers: Headers }> {
      const response = await ask(`/telesto${where}`, asked)
      return { status: response.status, html: await response.text(), headers: response.headers }
    },
    /** A job whose status is the app's own to set. */
    async basic(
      name: string,
      more: {
        readonly user?: string
        readonly groups?: readonly string[]
        readonly tags?: Record<string, string>
      } = {},
    ) {
      return await nile.createJob({ name, user: 'ada', jobType: 'TOY', manual: true, ...more })
    },
    /** The token with which the current attempt of a job may report. */
    async reportToken(jobId: number): Promise<string> {
      const [row] = await sql<{ token: string }>(
        `SELECT a.token FROM telesto_jobs j JOIN telesto_attempts a ON a.id = j.attempt_id WHERE j.id = ${jobId}`,
      )
      return createReportTokens([await readFile(path.join(directory, 'report.key'))]).of(row?.token ?? '')
    },
    async workdir(jobId: number): Promise<string> {
      const [row] = await sql<{ workdir: string }>(
        `SELECT a.workdir FROM telesto_jobs j JOIN telesto_attempts a ON a.id = j.attempt_id WHERE j.id = ${jobId}`,
      )
      return row?.workdir ?? ''
    },
  }
}

/** Of an answer of the API, what tests look at. */
export interface ApiAnswer {
  readonly error?: { readonly code: string; readonly message: string; readonly field?: string }
  readonly jobs?: readonly { readonly id: number; readonly name: string }[]
  readonly actions?: readonly string[]
  readonly [field: string]: unknown
}

/** A request as fetch would not send it: with a Host of one's own, or a path that is not well-formed. */
export const rawRequest = async (
  origin: string,
  where: string,
  headers: Readonly<Record<string, string>>,
): Promise<{ readonly status: number; readonly headers: IncomingHttpHeaders; readonly body: string }> =>
  await new Promise((resolve, reject) => {
    const { hostname, port } = new URL(origin)
    const sent = httpRequest({ hostname, port, path: where, headers, agent: false }, (response) => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        body += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }))
    })
    sent.on('error', reject)
    sent.end()
  })
