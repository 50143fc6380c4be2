import { createInterface } from 'node:readline/promises'
import { parseArgs } from 'node:util'
import type { Adapter } from '../adapter.js'
import type { SchedulerRecord } from '../schedulers/records.js'
import { type Command, failing, type Group, wrongly } from './command.js'
import { described, fieldNamed, optionFieldsOf, optionsOf, refuseSecrets, secretOption, valuesOf } from './fields.js'
import { PLACE, PLACE_SUMMARY, PLACE_USAGE, type PlaceGiven } from './place.js'
import { isAttended, readSecrets } from './secrets.js'

// What needs Telesto's core is loaded where it is used: the program must be able to refuse an old Node before.
const office = async () => await import('./office.js')
const records = async () => await import('../schedulers/records.js')
const change = async () => await import('../schedulers/change.js')
const questions = async () => await import('../schedulers/ask.js')
const adapters = async () => await import('./adapters.js')

const MODULE = { module: { type: 'string', multiple: true } } as const
const SECRETS =
  'A secret such as the password is asked for, or read from --password-file or TELESTO_PASSWORD (--private-key-pass-file, TELESTO_PRIVATE_KEY_PASS); never from an argument.'

/** The options that say which adapter it is, among others that only that adapter knows. */
const glance = (args: readonly string[]) =>
  parseArgs({
    args: [...args],
    options: { ...PLACE, ...MODULE, adapter: { type: 'string' } },
    strict: false,
    allowPositionals: true,
  }).values as PlaceGiven & { readonly adapter?: string; readonly module?: string[] }

/** The name, which comes first, and what follows it. */
const named = (args: readonly string[]): readonly [name: string, rest: readonly string[]] => {
  const [name, ...rest] = args
  if (name === undefined || name.startsWith('-')) throw wrongly('Give the name of the scheduler first')
  return [name, rest]
}

const secretOptions = (adapter: Adapter): Record<string, { readonly type: 'string' }> =>
  Object.fromEntries(adapter.secrets.map((secret) => [secretOption(secret), { type: 'string' as const }]))

const list: Command = {
  usage: `schedulers list [--type <adapter>] [--json] ${PLACE_USAGE}`,
  summary: `Shows the scheduler records, without their secrets. ${PLACE_SUMMARY}`,
  async run(args) {
    const options = { ...PLACE, type: { type: 'string' }, json: { type: 'boolean', default: false } } as const
    const { values } = parseArgs({ args: [...args], options })
    const { inOffice } = await office()
    const { listSchedulers } = await records()
    const all = await inOffice(values, async (here) => await listSchedulers(here))
    const wanted = all.filter(({ adapter }) => values.type === undefined || adapter === values.type)
    if (values.json) return JSON.stringify(wanted, undefined, 2)
    if (wanted.length > 0) return table(wanted)
    return `There are no schedulers${values.type === undefined ? '' : ` of the adapter ${values.type}`}.`
  },
}

const table = (all: readonly SchedulerRecord[]): string => {
  // What is long comes last.
  const rows = [
    ['NAME', 'ADAPTER', 'HOST', 'SECRETS', 'HEALTH'],
    ...all.map(({ name, adapter, config, secretsSet, ...record }) => [
      name,
      adapter,
      typeof config.host === 'string' && config.host !== '' ? config.host : '-',
      secretsSet.join(', ') || '-',
      healthOf(record),
    ]),
  ]
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => [...(row[column] ?? '')].length)))
  const lineOf = (row: readonly string[]): string =>
    row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')
  return rows.map((row) => lineOf(row).trimEnd()).join('\n')
}
const healthOf = ({ enabled, health, healthMessage }: Pick<SchedulerRecord, 'enabled' | 'health' | 'healthMessage'>) =>
  [
    health,
    enabled ? '' : ', disabled',
    healthMessage === null ? '' : `: ${healthMessage.replaceAll(/\p{Cc}+/gu, ' ')}`,
  ].join('')

/** `as`: of this adapter, with the option that Tethys has for its host. */
const creating = (as?: string): Command => ({
  usage: `schedulers ${as === undefined ? 'create --name <name> --adapter <adapter>' : `create-${as} --name <name> [--endpoint <host>]`} [--<field> <value>]... [--module <file>]... ${PLACE_USAGE}`,
  summary: `Makes a scheduler record${as === undefined ? '' : ` of the adapter ${as}`}. The fields of its configuration and its limits are options: privateKeyPath is --private-key-path. ${SECRETS}${as === undefined ? ' With --adapter, --help tells these options. create-condor is the same for the adapter condor, with --endpoint for its host.' : ''}`,
  async options(args) {
    const { adapter, module = [] } = glance(args)
    const type = as ?? adapter
    return type === undefined ? [] : described(await (await adapters()).loadAdapter(type, module))
  },
  async run(args) {
    const seen = glance(args)
    const type = as ?? seen.adapter
    refuseSecrets(args, [])
    if (type === undefined) throw wrongly('Give the adapter: --adapter condor')
    const adapter = await (await adapters()).loadAdapter(type, seen.module ?? [])
    refuseSecrets(args, adapter.secrets)
    const fields = optionFieldsOf(adapter)
    const { values } = parseArgs({
      args: [...args],
      options: {
        ...optionsOf(fields),
        ...secretOptions(adapter),
        ...(as === undefined ? { adapter: { type: 'string' } } : { endpoint: { type: 'string' } }),
        ...PLACE,
        ...MODULE,
        name: { type: 'string' },
      },
    } as const)
    const { name } = values
    const { endpoint } = values as { readonly endpoint?: string }
    if (name === undefined) throw wrongly(`Give --name; --help tells the fields of ${type}`)
    const { config, limits } = valuesOf(fields, values)
    const { by, inOffice } = await office()
    return await inOffice(values, async (here) => {
      const { createScheduler } = await change()
      const secrets = await readSecrets(adapter.secrets, values, isAttended)
      const whole = { ...(endpoint === undefined ? {} : { host: endpoint }), ...config, ...secrets }
      await createScheduler(here.knowing([adapter]), { name, adapter: type, config: whole, ...limits }, by())
      return `The scheduler ${name} was made. Next: telesto schedulers test ${quoted(name)}, and telesto link ${quoted(name)} <app>:<setting>`
    })
  },
})

/** As a shell takes it. */
const quoted = (text: string): string =>
  /^[\w.@-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`

const update: Command = {
  usage: `schedulers update <name> [--<field> <value>]... [--unset <field>]... [--ask <secret>]... [--module <file>]... ${PLACE_USAGE}`,
  summary: `Changes a scheduler record: fields of its configuration and limits, which are options as of create; a limit "none" is no limit. ${SECRETS.replace('is asked for', 'is asked for with --ask')}`,
  async run(args) {
    const [name, rest] = named(args)
    refuseSecrets(rest, [])
    const seen = glance(rest)
    const { by, inOffice } = await office()
    return await inOffice(seen, async (here) => {
      const { demandRow } = await records()
      const row = await demandRow(here.database, name)
      const adapter = await (await adapters()).loadAdapter(row.adapter, seen.module ?? [])
      refuseSecrets(rest, adapter.secrets)
      const fields = optionFieldsOf(adapter)
      const { values } = parseArgs({
        args: [...rest],
        options: {
          ...optionsOf(fields),
          ...secretOptions(adapter),
          ...PLACE,
          ...MODULE,
          unset: { type: 'string', multiple: true },
          ask: { type: 'string', multiple: true },
        },
      } as const)
      const asked = (values.ask ?? []).map((text) => fieldNamed(adapter, text))
      const stranger = asked.find((field) => !adapter.secrets.includes(field))
      if (stranger !== undefined)
        throw wrongly(`--ask takes ${adapter.secrets.join(' or ') || 'nothing here'}, not ${stranger}`)
      if (asked.length > 0 && !isAttended()) throw wrongly('--ask needs a terminal')
      const { config, limits } = valuesOf(fields, values)
      const unset = (values.unset ?? []).map((text) => [fieldNamed(adapter, text), null])
      const secrets = await readSecrets(adapter.secrets, values, (secret) => asked.includes(secret))
      if ([config, limits, secrets, unset].every((given) => Object.keys(given).length === 0))
        throw wrongly('Give what is to be changed')
      const { updateScheduler } = await change()
      const whole = { ...config, ...secrets, ...Object.fromEntries(unset) }
      await updateScheduler(here.knowing([adapter]), name, { ...limits, config: whole }, by())
      return `The scheduler ${name} was changed.`
    })
  },
}

const UNKNOWN_HOST_KEY = 3

const test: Command = {
  usage: `schedulers test <name> [--accept-host-key <fingerprint>] [--module <file>]... ${PLACE_USAGE}`,
  summary:
    'Asks a scheduler whether it is well. Of a host that is not known yet it shows the fingerprint of its key; with --accept-host-key that key is accepted first.',
  exitCodes: {
    0: 'it is well',
    1: 'it is not, or could not be asked',
    2: 'called wrongly',
    [UNKNOWN_HOST_KEY]: "the host's key is not the accepted one, or none was accepted yet",
  },
  async run(args) {
    const [name, rest] = named(args)
    const options = { ...PLACE, ...MODULE, 'accept-host-key': { type: 'string' } } as const
    const { values } = parseArgs({ args: [...rest], options })
    const { by, inOffice } = await office()
    return await inOffice(values, async (here) => {
      const [{ demandRow }, { acceptHostKey, testScheduler }] = await Promise.all([records(), questions()])
      const row = await demandRow(here.database, name)
      const knowing = here.knowing([await (await adapters()).loadAdapter(row.adapter, values.module ?? [])])
      const accepted = values['accept-host-key']
      if (accepted !== undefined) await acceptHostKey(knowing, name, accepted, by())
      const { health, version, message, hostKey } = await testScheduler(knowing, name)
      if (health === 'ok') return `${name} is ok${version === null ? '' : `, version ${version}`}.`
      if (hostKey === null) throw failing(1, `${name} is ${health}: ${message}`)
      throw failing(
        UNKNOWN_HOST_KEY,
        `${name} is ${health}: ${message}\nThe host shows ${hostKey.fingerprint} (${hostKey.keyType}). If that is its key:\n` +
          `  telesto schedulers test ${quoted(name)} --accept-host-key ${hostKey.fingerprint}`,
      )
    })
  },
}

const remove: Command = {
  usage: `schedulers remove <name> [--abandon] [--force] ${PLACE_USAGE}`,
  summary:
    'Removes a scheduler record that has no active jobs, after asking (not with --force). Settings of apps that had it stay, unassigned. With --abandon, for a host that is gone for ever, its active jobs are given up: they end in Error, though they may still run there.',
  async run(args) {
    const [name, rest] = named(args)
    const options = {
      ...PLACE,
      abandon: { type: 'boolean', default: false },
      force: { type: 'boolean', short: 'f', default: false },
    } as const
    const { values } = parseArgs({ args: [...rest], options })
    const { by, inOffice } = await office()
    return await inOffice(values, async (here) => {
      const { demandRow } = await records()
      await demandRow(here.database, name)
      const { abandon, force } = values
      const question = `Remove the scheduler ${name}${abandon ? ', and give up its active jobs, which may still run there' : ''}? [y/n]: `
      if (!force && !(await confirmed(question))) throw failing(1, 'Aborted. The scheduler was not removed.')
      const { removeScheduler } = await change()
      const abandoned = await removeScheduler(here, name, { abandon }, by())
      return `The scheduler ${name} was removed.${abandoned ? ` Jobs given up: ${abandoned.jobs}.` : ''}`
    })
  },
}

/** Asks until it is answered; the end of the input is a no. */
const confirmed = async (question: string): Promise<boolean> => {
  const lines = createInterface({ input: process.stdin, output: process.stderr, terminal: false })
  try {
    process.stderr.write(question)
    for await (const line of lines) {
      const answer = line.trim().toLowerCase()
      if (['y', 'yes'].includes(answer)) return true
      if (['n', 'no'].includes(answer)) return false
      process.stderr.write(question)
    }
    return false
  } finally {
    lines.close()
  }
}

const CREATE_AS = /^create-([a-z][a-z0-9-]*)$/

/** `telesto schedulers`: the records of an installation, without its portal. */
export const schedulers: Group = {
  commands: { list, create: creating(), update, test, remove },
  // As Tethys has it: create-condor.
  other(name) {
    const type = CREATE_AS.exec(name)?.[1]
    return type === undefined ? undefined : creating(type)
  },
}
