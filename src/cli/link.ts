import { parseArgs } from 'node:util'
import { type Command, failing, wrongly } from './command.js'
import { PLACE, PLACE_SUMMARY, PLACE_USAGE } from './place.js'

/** `telesto link`: assigns a scheduler to a setting of an app. */
export const link: Command = {
  usage: `link <scheduler> <app>:<setting> ${PLACE_USAGE}`,
  summary: `Assigns a scheduler to a setting that an app has declared. ${PLACE_SUMMARY}`,
  async run(args) {
    const { values, positionals } = parseArgs({ args: [...args], options: PLACE, allowPositionals: true })
    const [scheduler, target = '', ...more] = positionals
    const [, app, setting] = /^([^:]+):(.+)$/.exec(target) ?? []
    if (scheduler === undefined || app === undefined || setting === undefined || more.length > 0)
      throw wrongly('Give the name of a scheduler, and an app and its setting as app:setting')
    const [{ by, inOffice }, settings] = await Promise.all([import('./office.js'), import('../schedulers/settings.js')])
    return await inOffice(values, async (office) => {
      const known = await settings.listSchedulerSettings(office)
      if (!known.some((one) => one.app === app && one.name === setting)) {
        const all = known.map((one) => `${one.app}:${one.name}`).join(', ') || 'none'
        throw failing(
          1,
          `No app has declared the setting ${target} in this database. Declared: ${all}. An app declares its settings when it starts: ` +
            'telesto.app(name, { schedulerSettings }).',
        )
      }
      await settings.assignScheduler(office, app, setting, scheduler, by())
      return `${target} runs on ${scheduler} from now on.`
    })
  },
}
