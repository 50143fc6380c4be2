import type { Logger } from './adapter.js'
import type { Urls } from './core.js'

export const createUrls = (url: string | undefined, mountPath: string | undefined, log: Logger): Urls => {
  const base = (url ?? mountPath ?? '/telesto').replace(/\/+$/, '')
  let told = url !== undefined
  return {
    page: (inner) => `${base}${inner}`,
    callback(jobId) {
      if (url !== undefined) return `${base}/update-job-status/${jobId}`
      if (!told) log.warn({}, 'Jobs get no address to report to: createTelesto({ url }) was not given.')
      told = true
      return undefined
    },
  }
}
