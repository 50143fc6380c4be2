import { randomBytes } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import cookieParser from 'cookie-parser'
import express, { type Request, type Router } from 'express'
import type { User } from 'telesto'

/** Who can be in this demonstration. A real portal has its own sign-in, and Telesto only asks it who somebody is. */
export const USERS: readonly (User & { readonly name: string })[] = [
  { id: 'ada', name: 'Ada', groups: ['hydrology'] },
  { id: 'ben', name: 'Ben', groups: ['climate'] },
  { id: 'root', name: 'Administrator', groups: [], isAdmin: true },
]
const COOKIE = 'demo-user'

/** A signed cookie says who it is; whoever has none is Ada. `POST /who` with `user` switches. */
export const signIn = async (
  directory: string,
): Promise<{ readonly router: Router; readonly identify: (req: Request) => User | undefined }> => {
  const router = express.Router()
  router.use(cookieParser(await secretOf(directory)))
  router.post('/who', express.urlencoded({ extended: false, limit: '1kb' }), (req, res) => {
    const user = USERS.find(({ id }) => id === (req.body as { user?: unknown }).user)
    if (user) res.cookie(COOKIE, user.id, { signed: true, httpOnly: true, sameSite: 'strict' })
    res.redirect(303, '/telesto/jobs')
  })
  const identify = (req: Request): User | undefined => {
    const id: unknown = req.signedCookies?.[COOKIE]
    return USERS.find((user) => user.id === id) ?? USERS[0]
  }
  return { router, identify }
}

const secretOf = async (directory: string): Promise<string> => {
  const file = path.join(directory, 'demo-cookie.key')
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const fresh = randomBytes(32).toString('hex')
  await writeFile(file, fresh, { mode: 0o600, flag: 'wx' }).catch(() => {})
  return await readFile(file, 'utf8')
}
