import { z } from 'zod'
import { type Adapter, defineAdapter, SchedulerError, type Specs } from './adapter.js'

const NO_RECORD = 'jobs of these types run on no scheduler, so there is no record to make'

/**
 * Job types that no scheduler runs: what happens to such a job, its app and the job's own reports tell (`updateStatus`,
 * `updateParts`). Pass the result to `createTelesto({ adapters })`, beside the adapters of schedulers. `type` is the word for
 * the whole family; `specs` has the options of each type, as an adapter's. Throws Error as defineAdapter() does.
 */
export const defineJobTypes = <const Type extends string, S extends Specs>(
  type: Type,
  specs: S,
): Adapter<Type, z.ZodNever, S> =>
  defineAdapter({
    type,
    label: type,
    config: z.never(NO_RECORD),
    secrets: [],
    specs,
    defaults: { pollSeconds: 60, maxIdsPerPoll: 1, maxSubmitsPerMinute: 1 },
    needsScheduler: () => false,
    connect: () => {
      throw new SchedulerError('rejected', NO_RECORD)
    },
  })
