import { parseArgs } from 'node:util'
import { type Command, failing, wrongly } from './command.js'
import { PLACE, PLACE_SUMMARY, PLACE_USAGE, type PlaceGiven } from './place.js'

/** A setting of an app, written as app:setting. */
interface Target {
  readonly text: string
  readonly app: string
  readonly setting: string
}

const targetOf = (text: string | undefined): Target | undefined => {
  const [, app, setting] = /^([^:]+):(.+)$/.exec(text ?? '') ?? []
  return text === undefined || app === undefined || setting === undefined ? undefined : { text, app, setting }
}

/** Assigns a scheduler, or none with null; answers the name of the one before. The setting has to be one that an app has declared. */
const assign = async (given: PlaceGiven, { text, app, setting }: Target, scheduler: string | null) => {
  const [{ by, inOffice }, settings] = await Promise.all([import('./office.js'), import('../schedulers/settings.js')])
  return await inOffice(given, async (office) => {
    const known = await settings.listSchedulerSettings(office)
    const before = known.find((one) => one.app === app && one.name === setting)
    if (!before) {
      const all = known.map((one) => `${one.app}:${one.name}`).join(', ') || 'none'
      throw failing(
        1,
        `No app has declared the setting ${text} in this database. Declared: ${all}. An app declares its settings when it starts: ` +
          'telesto.app(name, { schedulerSettings }).',
      )
    }
    await settings.assignScheduler(office, app, setting, scheduler, by())
    return before.scheduler
  })
}

/** `telesto link`: assigns a scheduler to a setting of an app. */
export const link: Command = {
  usage: `link <scheduler> <app>:<setting> ${PLACE_USAGE}`,
  summary: `Assigns a scheduler to a setting that an app has declared. ${PLACE_SUMMARY}`,
  async run(args) {
    const { values, positionals } = parseArgs({ args: [...args], options: PLACE, allowPositionals: true })
    const [scheduler, target, ...more] = [positionals[0], targetOf(positionals[1]), ...positionals.slice(2)]
    if (scheduler === undefined || target === undefined || more.length > 0)
      throw wrongly('Give the name of a scheduler, and an app and its setting as app:setting')
    await assign(values, target, scheduler)
    return `${target.text} runs on ${scheduler} from now on.`
  },
}

/** `telesto unlink`: takes the scheduler of a setting away again. */
export const unlink: Command = {
  usage: `unlink <app>:<setting> ${PLACE_USAGE}`,
  summary: `Takes the scheduler of a setting away. Jobs that were executed run on; others are refused until a scheduler is linked. ${PLACE_SUMMARY}`,
  async run(args) {
    const { values, positionals } = parseArgs({ args: [...args], options: PLACE, allowPositionals: true })
    const target = targetOf(positionals[0])
    if (target === undefined || positionals.length > 1) throw wrongly('Give an app and its setting as app:setting')
    const before = await assign(values, target, null)
    return before === null
      ? `${target.text} had no scheduler.`
      : `${target.text} no longer runs on ${before}. Jobs that were executed run on; others are refused until a scheduler is linked.`
  },
}
