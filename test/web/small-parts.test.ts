import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { stripTypeScriptTypes } from 'node:module'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import { readBody } from '../../src/web/body.js'
import { readIds, writeIds } from '../../src/web/live/ids.js'
import { bodyOf, message } from '../../src/web/live/sink.js'
import { ago, duration } from '../../src/web/pages/time.js'
import { parseQuery } from '../../src/web/query-string.js'
import { routes } from '../../src/web/routes.js'

describe('the query of an address', () => {
  it('gives the same with every Express: repeated names are lists, dots nest once', () => {
    expect(parseQuery('/jobs?a=1&a=2&tag.x.y=z&tag.b=+%26&c')).toEqual({
      a: ['1', '2'],
      tag: { 'x.y': 'z', b: ' &' },
      c: '',
    })
    expect(parseQuery('/jobs')).toEqual({})
  })

  it('touches no prototype', () => {
    const query = parseQuery('/?__proto__=1&__proto__.x=2&constructor.prototype=3')
    expect(Object.getPrototypeOf(query)).toBe(Object.prototype)
    expect(({} as { x?: string }).x).toBeUndefined()
  })
})

describe('the body of a request', () => {
  it('of a client that went away before anybody read it is refused, and not waited for', async () => {
    const refused = Promise.withResolvers<unknown>()
    const server = createServer((req) => {
      req.on('close', () => setImmediate(() => readBody(req).then(refused.resolve, refused.resolve)))
      socket.destroy()
    })
    onTestFinished(() => void server.close())
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{')
    expect(await Promise.race([refused.promise, sleep(5000, 'waits for ever')])).toMatchObject({ code: 'body_invalid' })
  })
})

describe('ids of rows', () => {
  it('are written short, and read back', () => {
    for (const ids of [[], [7], [1, 2, 3], [9, 3, 4, 5, 1]]) {
      expect(readIds(writeIds(ids), 100)).toEqual([...ids].sort((a, b) => a - b))
    }
    expect(writeIds([5, 3, 4, 9])).toBe('3-5,9')
  })

  it('that are too many, or no ids, are none', () => {
    for (const text of ['1-101', '1-50,60-120', '1-999999999999999', 'x', '3-1', ',', '1,', '-3', '1-2-3'])
      expect([text, readIds(text, 100)]).toEqual([text, undefined])
    expect(readIds('1-100', 100)).toHaveLength(100)
  })
})

it('a message of a stream survives every end of a line', () => {
  expect(message(3, bodyOf({ html: 'a\r\nb\rc\nd' }))).toBe('id: 3\ndata: a\ndata: b\ndata: c\ndata: d\n\n')
})

it('a length of time is told in its two largest units', () => {
  const lengths = [999, 59_999, 60_000, 192_000, 3_720_000, 183_600_000]
  expect(lengths.map(duration)).toEqual(['0 s', '59 s', '1 min 00 s', '3 min 12 s', '1 h 02 min', '2 d 3 h'])
})

it('how long ago something was is told in its largest unit', () => {
  const ages = [0, 59_999, 60_000, 3_599_999, 3_600_000, 86_399_999, 200_000_000]
  expect(ages.map(ago)).toEqual(['just now', 'just now', '1 min ago', '59 min ago', '1 h ago', '23 h ago', '2 d ago'])
})

describe('the table of routes', () => {
  it('changes things by POST alone, and asks who it is everywhere but for the callback, home, the document and assets', () => {
    for (const { method, path: where, who, kind } of routes) {
      const open = where === '/api/openapi.json' || kind === 'callback' || kind === 'asset' || where === '/'
      const admin = where.startsWith('/schedulers')
      expect([where, who]).toEqual([where, open ? 'anyone' : admin ? 'admin' : 'user'])
      if (where.endsWith('/:action')) expect(method).toBe('post')
    }
  })
})

it('script and style are found from the compiled code too, wherever the server was started', () => {
  const root = path.resolve(import.meta.dirname, '../..')
  const elsewhere = mkdtempSync(path.join(tmpdir(), 'telesto-elsewhere-'))
  onTestFinished(() => rmSync(elsewhere, { recursive: true }))
  // As it lies in `dist`, without depending on when that was built.
  const build = mkdtempSync(path.join(root, 'node_modules', '.telesto-build-'))
  onTestFinished(() => rmSync(build, { recursive: true }))
  const source = readFileSync(path.join(root, 'src/web/assets.ts'), 'utf8')
  mkdirSync(path.join(build, 'src/web'), { recursive: true })
  writeFileSync(path.join(build, 'src/web/assets.js'), stripTypeScriptTypes(source))
  const program = `import { assetPath, findAsset } from ${JSON.stringify(path.join(build, 'src/web/assets.js'))}
    console.log(JSON.stringify(['telesto.css', 'telesto.js', 'telesto.svg', 'htmx.js'].map((name) =>
      findAsset(assetPath(name).split('/').at(-1)).bytes.length > 100)))`
  const told = execFileSync(process.execPath, ['--input-type=module', '-e', program], {
    cwd: elsewhere,
    encoding: 'utf8',
  })
  expect(JSON.parse(told)).toEqual([true, true, true, true])
})
