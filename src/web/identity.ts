import type { Request } from 'express'
import { z } from 'zod'
import type { User } from '../access.js'
import type { Core } from '../core.js'
import { UserView } from '../user-view.js'

/** Who asks, once for each request: the middleware and the router of one Telesto share the answer. */
export interface Identity {
  /** Rejects where the host's `identify` does, or answers with something that is no user. */
  of(req: Request): Promise<UserView>
  /** Asks anew. */
  again(req: Request): Promise<User | undefined>
}

const userSchema = z.object({
  id: z.string().min(1),
  name: z.string().optional(),
  groups: z.array(z.string()).optional(),
  isAdmin: z.boolean().optional(),
})

export const createIdentity = (
  core: Core,
  identify: (req: Request) => User | undefined | Promise<User | undefined>,
): Identity => {
  const known = new WeakMap<Request, Promise<UserView>>()
  const again = async (req: Request): Promise<User | undefined> => {
    const user = (await identify(req)) ?? undefined
    const wrong = user === undefined ? undefined : userSchema.safeParse(user).error?.issues[0]
    if (wrong) throw new Error(`identify(req) gave no user: ${wrong.path.join('.')} ${wrong.message}`)
    return user
  }
  return {
    again,
    of(req) {
      const asked = known.get(req) ?? again(req).then((user) => new UserView(core, user, req.ip))
      known.set(req, asked)
      return asked
    },
  }
}

/** Two people with one key see and may do the same. */
export const keyOf = (user: User): string => JSON.stringify(user)
