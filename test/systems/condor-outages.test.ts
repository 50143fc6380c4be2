import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { type CondorPortal, changePassword, startCondorPortal } from './condor-portal.js'
import { given, password } from './ssh-server.js'

// Somebody pulls a plug between a portal and its pool: sshd, its account, the schedd, its queue, the words of condor_q. No job changes
// meanwhile, the record says what is wrong, and all goes on by itself when the plug is back.

/** The jobs of a portal in every state in which a job can stay: queued, running, held. */
const startJobs = async (portal: CondorPortal) => {
  const signs = mkdtempSync(path.join(tmpdir(), 'telesto-signs-'))
  execFileSync('chmod', ['777', signs])
  onTestFinished(() => rmSync(signs, { recursive: true, force: true }))
  const untilSign = (name: string) => `while [ ! -e '${path.join(signs, name)}' ]; do sleep 0.2; done`
  const running = await portal.run(untilSign('end'))
  const parts = await portal.run(untilSign('end'), { numJobs: 2 })
  const queued = await portal.run('true', { requirements: 'false' })
  const held = await portal.run('true', { attributes: { hold: true } })
  await Promise.all([
    portal.reaches(running, 'Running'),
    portal.reaches(parts, 'Running'),
    portal.reaches(queued, 'Submitted'),
    portal.reaches(held, 'Paused'),
  ])
  return {
    running,
    all: [running, parts, queued, held],
    /** What HTCondor runs ends, whoever watches. */
    end: () => writeFileSync(path.join(signs, 'end'), ''),
    /** They end, and the portal comes to know. */
    async finish(): Promise<void> {
      writeFileSync(path.join(signs, 'end'), '')
      await portal.reaches(running, 'Complete', 90)
      await portal.reaches(parts, 'Complete', 90)
      await held.refresh()
      expect(held.status).toBe('Paused')
      await held.resume()
      await portal.reaches(held, 'Complete', 90)
      expect(await portal.status(queued)).toBe('Submitted')
    },
  }
}

/** All that is stored of jobs, but for when they were last looked at. */
const pictureOf = async ({ sql }: CondorPortal) => ({
  jobs: (await sql('SELECT * FROM telesto_jobs ORDER BY id')).map(({ last_status_update: _, ...job }) => job),
  attempts: await sql('SELECT * FROM telesto_attempts ORDER BY id'),
  parts: await sql('SELECT * FROM telesto_parts ORDER BY attempt_id, position'),
  strays: await sql('SELECT * FROM telesto_strays'),
  events: await sql(`SELECT * FROM telesto_events WHERE kind <> 'health' ORDER BY id`),
})

/** Pulls a plug, and expects that the record says so and that nothing else changes; `back` puts it back. */
const outage = async (
  portal: CondorPortal,
  health: 'degraded' | 'blocked',
  why: RegExp,
  { pull, meanwhile, back }: { pull(): void; meanwhile?(): void; back(): unknown },
): Promise<void> => {
  await portal.feels('ok')
  const before = await pictureOf(portal)
  let isBack = false
  const putBack = async () => {
    if (!isBack) await back()
    isBack = true
  }
  onTestFinished(putBack)
  pull()
  await portal.feels(health, why)
  meanwhile?.()
  // The loops go on asking meanwhile.
  const { pollFailures = 0 } = await failuresOf(portal)
  if (health === 'degraded')
    await expect
      .poll(async () => (await failuresOf(portal)).pollFailures, { timeout: 60_000 })
      .toBeGreaterThan(pollFailures + 1)
  expect(await pictureOf(portal)).toEqual(before)
  await putBack()
}
const failuresOf = async ({ sql }: CondorPortal): Promise<{ pollFailures?: number }> =>
  (await sql<{ pollFailures: number }>('SELECT poll_failures AS "pollFailures" FROM telesto_schedulers'))[0] ?? {}

test('sshd is gone, and comes back', async () => {
  const portal = await startCondorPortal()
  await portal.connect()
  const jobs = await startJobs(portal)
  await outage(portal, 'degraded', /^127\.0\.0\.1:\d+ cannot be reached: .*(refused|ECONNREFUSED)/, {
    pull: () => void portal.sshd.stop(),
    meanwhile: jobs.end,
    back: portal.sshd.start,
  })
  await portal.feels('ok')
  await jobs.finish()
})

test('Every connection is dropped: the next question opens another, and no job notices', async () => {
  const portal = await startCondorPortal()
  await portal.connect()
  const jobs = await startJobs(portal)
  const before = await pictureOf(portal)
  for (let time = 0; time < 3; time++) {
    const logins = portal.sshd.count('Accepted publickey')
    portal.sshd.drop()
    await expect.poll(() => portal.sshd.count('Accepted publickey'), { timeout: 30_000 }).toBeGreaterThan(logins)
    await portal.feels('ok')
  }
  expect(await pictureOf(portal)).toEqual(before)
  await jobs.finish()
})

test('sshd hangs, and goes on', async () => {
  const portal = await startCondorPortal()
  await portal.connect()
  const jobs = await startJobs(portal)
  await outage(portal, 'degraded', /^No answer within 4 s\.$|did not answer/, {
    pull: portal.sshd.freeze,
    meanwhile: jobs.end,
    back: portal.sshd.thaw,
  })
  await portal.feels('ok')
  await jobs.finish()
})

const inPool = (...parts: string[]): string => path.join(given('CONDOR_DIR'), ...parts)
const pidsOfMaster = (): { readonly master: number; readonly schedd: number | undefined } => {
  const master = Number(readFileSync(inPool('run', 'master.pid'), 'utf8').split(' ')[0])
  const children = readFileSync(`/proc/${master}/task/${master}/children`, 'utf8').split(' ').filter(Boolean)
  const schedd = children.find((pid) => readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('condor_schedd'))
  return { master, schedd: schedd === undefined ? undefined : Number(schedd) }
}
/** It is killed, and condor_master stands still, which would start it again. */
const stopSchedd = (): void => {
  const { master, schedd } = pidsOfMaster()
  process.kill(master, 'SIGSTOP')
  if (schedd !== undefined) process.kill(schedd, 'SIGKILL')
}
const startSchedd = async (): Promise<void> => {
  process.kill(pidsOfMaster().master, 'SIGCONT')
  const answers = () => spawnSync(inPool('bin', 'condor_q'), ['-totals'], { stdio: 'ignore' }).status
  await expect.poll(answers, { timeout: 60_000, interval: 200 }).toBe(0)
}

test('The schedd is stopped, and started again', async () => {
  const portal = await startCondorPortal()
  await portal.connect()
  const jobs = await startJobs(portal)
  await outage(portal, 'degraded', /condor_q: .*(Failed to connect|Can't find address|Failed to fetch ads)/, {
    pull: stopSchedd,
    back: startSchedd,
  })
  await portal.feels('ok')
  await jobs.finish()
})

test('The schedd comes back without its queue, and later with it', async () => {
  const portal = await startCondorPortal()
  await portal.connect()
  const jobs = await startJobs(portal)
  const queue = inPool('pool', 'spool', 'job_queue.log')
  const exchange = async (from: string, to: string): Promise<void> => {
    stopSchedd()
    rmSync(to, { force: true })
    renameSync(from, to)
    await startSchedd()
  }
  await portal.feels('ok')
  const { events } = await pictureOf(portal)
  await exchange(queue, `${queue}.away`)
  let isAway = true
  const bringBack = async () => {
    if (isAway) await exchange(`${queue}.away`, queue)
    isAway = false
  }
  onTestFinished(bringBack)
  await portal.feels('degraded', /mentioned none of 4 jobs that it knew before/)
  expect((await pictureOf(portal)).events).toEqual(events)
  expect(await Promise.all(jobs.all.map(portal.status))).toEqual(['Running', 'Running', 'Submitted', 'Paused'])
  await bringBack()
  await portal.feels('ok')
  await jobs.finish()
})

test('condor_q answers garbage, of every kind', async () => {
  const portal = await startCondorPortal()
  await portal.connect()
  const jobs = await startJobs(portal)
  const kinds = [
    'echo "[{"; exit 0',
    'echo "<html>Please log in</html>"; exit 0',
    'head -c 4096 /dev/urandom; exit 0',
    `echo '[{"ClusterId":"one","ProcId":0,"JobStatus":4,"ExitCode":0}]'; exit 0`,
    'exit 7',
  ]
  for (const kind of kinds) {
    let remove = () => {}
    await outage(portal, 'degraded', /cannot be understood|condor_q/, {
      pull: () => {
        remove = portal.instead('condor_q', kind)
      },
      back: () => remove(),
    })
  }
  await portal.feels('ok')
  await jobs.finish()
})

test('The password of the account is changed; the jobs go on when the new one is entered', async () => {
  const portal = await startCondorPortal()
  const [old, fresh] = [password(), 'Heron-4417-lagoon']
  await portal.connect({ password: old })
  const jobs = await startJobs(portal)
  await outage(portal, 'blocked', /^127\.0\.0\.1:\d+ .*(password|login|refused)/i, {
    pull: () => {
      changePassword(fresh)
      portal.sshd.drop()
    },
    meanwhile: jobs.end,
    back: async () => void (await portal.telesto.updateScheduler('pool', { config: { password: fresh } })),
  })
  await portal.feels('ok', undefined, 10)
  await jobs.finish()
  const told = JSON.stringify([
    await portal.record(),
    portal.logged,
    readFileSync(path.join(portal.sshd.directory, 'sshd.log'), 'utf8'),
  ])
  for (const secret of [old, fresh]) expect(told).not.toContain(secret)
})
