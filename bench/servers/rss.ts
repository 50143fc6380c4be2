import { setTimeout as sleep } from 'node:timers/promises'

/** What this process holds once it has come to rest, in MB. */
export const restingRss = async (): Promise<number> => {
  for (let turn = 0; turn < 3; turn++) {
    await sleep(300)
    globalThis.gc?.()
  }
  return process.memoryUsage().rss / 1024 / 1024
}
