import type { Bench, Benchmark } from './benchmark.ts'
import { startChild } from './child.ts'
import { startFarSide } from './condor/far-side.ts'
import { connectRaw } from './condor/raw.ts'
import { measureRefresh, refreshGoals } from './condor/refresh.ts'
import { measureSubmit, submitGoals } from './condor/submit.ts'
import { measureWatch, watchGoals } from './condor/watch.ts'
import type { CondorServer, CondorServerOptions } from './servers/condor.ts'

const run = async (bench: Bench) => {
  const far = startFarSide()
  const place = await bench.store.place()
  const raw = await connectRaw(far.login)
  const portal = await startChild<CondorServer>('condor.ts', {
    place: place.options,
    login: far.login,
  } satisfies CondorServerOptions)
  try {
    return {
      ...(await measureRefresh(bench, far, raw, portal)),
      ...(await measureSubmit(bench, far, raw, portal)),
      ...(await measureWatch(bench, far, portal)),
    }
  } finally {
    await portal.stop()
    raw.close()
    await place.remove()
    far.stop()
  }
}

export const condor: Benchmark = {
  name: 'condor',
  goals: [...refreshGoals, ...submitGoals, ...watchGoals],
  needs: 'root on Debian 12, where it installs a pool of HTCondor and sshd',
  run,
}
