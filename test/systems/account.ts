import { spawnSync } from 'node:child_process'

/**
 * Makes the process of this test file an ordinary account's, where root has started it: HTCondor refuses the jobs of root, and what
 * a job reads and writes must be its account's. Called before anything else. vitest gives each file a process of its own.
 */
export const becomeAccount = (name: string | undefined): void => {
  if (process.getuid?.() !== 0) return
  if (!name) throw new Error('There is no account to run these tests as: start them with npm run test:systems.')
  const [, , uid, gid, , home] = spawnSync('getent', ['passwd', name], { encoding: 'utf8' }).stdout.trim().split(':')
  process.setgroups?.([Number(gid)])
  process.setgid?.(Number(gid))
  process.setuid?.(Number(uid))
  Object.assign(process.env, { HOME: home, USER: name, LOGNAME: name })
}
