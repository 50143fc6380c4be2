import type { Adapter } from '../../adapter.js'
import type { SchedulerTest } from '../../schedulers/ask.js'
import { type Field, fieldsOf } from '../../schedulers/fields.js'
import type { SchedulerRecord } from '../../schedulers/records.js'
import { type PageContext, page } from './layout.js'
import { inputOf, labelOf, removalOf, type Sent, shownOf } from './scheduler-values.js'
import { Health } from './schedulers.js'
import { Time } from './time.js'

/** What the form of a record shows: the record, or one that is to be made. */
interface FormProps {
  readonly action: string
  readonly adapter: Adapter
  readonly record?: SchedulerRecord | undefined
  /** What was sent and is wrong: it is shown again, but for secrets. */
  readonly sent?: Sent | undefined
  readonly wrong?: Wrong | undefined
}
interface Wrong {
  readonly field?: string
  readonly message: string
}

/** Beside its field a sentence need not name it. */
const atField = ({ field = '', message }: Wrong): string => message.replace(`${field}: `, '')
/** What stands beside no field stands above the form. */
const aboveForm = (adapter: Adapter | undefined, wrong: Wrong | undefined): string | undefined => {
  if (wrong === undefined) return undefined
  const shown = ['name', ...(adapter ? fieldsOf(adapter).map(inputOf) : [])]
  return shown.includes(wrong.field ?? '') ? 'Nothing was stored: see the field in red.' : wrong.message
}

const Input = ({ field, record, sent, wrong }: { readonly field: Field } & Omit<FormProps, 'action' | 'adapter'>) => {
  const name = inputOf(field)
  const value = (field.isSecret ? undefined : sent?.[name]) ?? shownOf(field, record)
  const isStored = field.isSecret && record?.secretsSet.includes(field.name) === true
  const isWrong = wrong?.field === name
  const hint = isStored
    ? 'One is stored. Left empty, it stays.'
    : `${field.description}${field.canBeNone ? ' Empty: no limit.' : ''}`
  const id = `field-${name}`
  const common = {
    id,
    name,
    ...(hint === '' ? {} : { 'aria-describedby': `${id}-hint` }),
    ...(isWrong ? { 'aria-invalid': true, autofocus: true } : {}),
  }
  return (
    <div class="field">
      <label for={id}>{labelOf(field)}</label>
      {field.kind === 'boolean' ? (
        <select {...common}>
          <option value="true" selected={value === 'true'}>
            Yes
          </option>
          <option value="false" selected={value !== 'true'}>
            No
          </option>
        </select>
      ) : (
        <input
          {...common}
          {...(field.isSecret ? { type: 'password' as const, autocomplete: 'new-password' } : { autocomplete: 'off' })}
          value={value}
          spellcheck={false}
          {...(field.kind === 'number' ? { inputmode: 'decimal' as const } : {})}
        />
      )}
      {isWrong && <p class="wrong">{atField(wrong)}</p>}
      {hint !== '' && (
        <p class="quiet" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      {isStored && (
        <label class="quiet">
          <input type="checkbox" name={removalOf(field)} value="true" /> Remove it
        </label>
      )}
    </div>
  )
}

const Form = ({ action, adapter, ...props }: FormProps) => {
  const fields = fieldsOf(adapter)
  const own = fields.filter(({ of }) => of === 'config')
  const limits = fields.filter(({ of }) => of === 'limits')
  const isNew = props.record === undefined
  return (
    <form class="panel form" method="post" action={action}>
      {isNew && (
        <>
          <input type="hidden" name="adapter" value={adapter.type} />
          <div class="field">
            <label for="field-name">Name</label>
            <input
              id="field-name"
              name="name"
              value={props.sent?.name ?? ''}
              required
              maxLength={255}
              autocomplete="off"
              {...(props.wrong?.field === 'name' ? { 'aria-invalid': true } : {})}
            />
            {props.wrong?.field === 'name' && <p class="wrong">{atField(props.wrong)}</p>}
          </div>
        </>
      )}
      {own.length > 0 && (
        <fieldset>
          <legend>Configuration</legend>
          {own.map((field) => (
            <Input key={field.name} field={field} {...props} />
          ))}
        </fieldset>
      )}
      <fieldset>
        <legend>Limits</legend>
        {limits.map((field) => (
          <Input key={field.name} field={field} {...props} />
        ))}
      </fieldset>
      <button type="submit" class="execute">
        {isNew ? 'Create' : 'Save'}
      </button>
    </form>
  )
}

/** A form in which nothing was filled in yet, or something wrong. */
export const newSchedulerPage = (context: PageContext, adapter: Adapter, form: Pick<FormProps, 'sent' | 'wrong'>) => {
  const { links } = context
  const name = adapter.label ?? adapter.type
  return page(
    { ...context, title: `New scheduler: ${name}`, section: 'schedulers', alert: aboveForm(adapter, form.wrong) },
    <article>
      <header class="job-head">
        <p class="crumbs">
          <a href={links.schedulers}>Schedulers</a>
          <span aria-hidden="true"> / </span>
          New
        </p>
        <h1>{`New scheduler: ${name}`}</h1>
      </header>
      <Form action={links.schedulers} adapter={adapter} {...form} />
    </article>,
  )
}

/** A record, and what was asked of it on its page. */
export interface SchedulerPage extends PageContext {
  readonly record: SchedulerRecord
  /** undefined: this process does not know it. */
  readonly adapter: Adapter | undefined
  /** What Test found. */
  readonly test?: SchedulerTest | undefined
  readonly form?: Pick<FormProps, 'sent' | 'wrong'>
  readonly alert?: string | undefined
  readonly done?: string | undefined
}

const HostKey = ({ record, test, links }: Pick<SchedulerPage, 'record' | 'test' | 'links'>) => {
  const offered = test?.hostKey
  if (!offered) return null
  const known = typeof record.config.hostKey === 'string' ? record.config.hostKey : undefined
  return (
    <section class="panel" aria-labelledby="host-key-title">
      <h2 id="host-key-title">
        {known === undefined ? 'A host that is not known yet' : 'Another host key than before'}
      </h2>
      {known !== undefined && (
        <p>
          Accepted was <code>{known}</code>. Ask the operator of the host why it has another one: somebody may stand
          between.
        </p>
      )}
      <p>
        The host shows <code>{offered.fingerprint}</code> ({offered.keyType}). Compare it with what its operator
        publishes, or with what this prints there:
      </p>
      <pre>for key in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -lf "$key"; done</pre>
      <form method="post" action={links.scheduler(record.id, 'accept-host-key')}>
        <input type="hidden" name="fingerprint" value={offered.fingerprint} />
        <button type="submit">
          {known === undefined ? 'It is the same: accept this key' : 'It is right: accept the new key'}
        </button>
      </form>
    </section>
  )
}

/** Where a key is to be accepted, the section about it tells the rest. */
const foundOf = ({ config }: SchedulerRecord, { message, hostKey }: SchedulerTest): string => {
  if (!hostKey) return `Test: ${message}`
  return config.hostKey === undefined
    ? 'Test: nothing was sent to the host, because its key is not known yet.'
    : 'Test: nothing was sent to the host, because it shows another key than before.'
}

export const schedulerPage = (data: SchedulerPage): string => {
  const { record, adapter, test, form = {}, alert, done, ...context } = data
  const { links } = context
  const found = test === undefined || test.health === 'ok' ? undefined : foundOf(record, test)
  const version = test?.version == null ? '' : `, version ${test.version}`
  return page(
    {
      ...context,
      title: record.name,
      section: 'schedulers',
      alert: alert ?? aboveForm(adapter, form.wrong) ?? found,
      done: test?.health === 'ok' ? `Test: ${record.name} is ok${version}.` : done,
    },
    <article>
      <header class="job-head">
        <p class="crumbs">
          <a href={links.schedulers}>Schedulers</a>
          <span aria-hidden="true"> / </span>
          {adapter?.label ?? record.adapter}
        </p>
        <h1>{record.name}</h1>
        <div class="now">
          <p class="big">
            <Health record={record} />
          </p>
          {record.lastAnsweredAt !== null && (
            <p class="quiet">
              Last asked about jobs <Time at={record.lastAnsweredAt} />
            </p>
          )}
          {adapter && (
            <form class="actions" method="post" action={links.scheduler(record.id, 'test')}>
              <button type="submit">Test</button>
            </form>
          )}
        </div>
        {found === undefined && record.healthMessage !== null && <p class="line">{record.healthMessage}</p>}
      </header>
      <div class="main">
        <HostKey record={record} test={test} links={links} />
        {adapter ? (
          <Form action={links.scheduler(record.id)} adapter={adapter} record={record} {...form} />
        ) : (
          <p class="panel">{`This process does not know the adapter ${record.adapter}: pass it to createTelesto to change this record here.`}</p>
        )}
        <details class="panel">
          <summary>Remove this scheduler</summary>
          <p>Settings of apps that have it stay, unassigned. Its jobs keep their history.</p>
          <form method="post" action={links.scheduler(record.id, 'remove')}>
            <p>
              <label>
                <input type="checkbox" name="abandon" value="true" /> It is gone for ever: give up its active jobs, too.
                They end in Error, though they may still run there.
              </label>
            </p>
            <button type="submit" class="delete">
              {`Remove ${record.name}`}
            </button>
          </form>
        </details>
      </div>
    </article>,
  )
}
