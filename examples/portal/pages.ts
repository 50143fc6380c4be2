import { type ComponentChild, h, type VNode } from 'preact'
import { render } from 'preact-render-to-string'
import type { User } from 'telesto'
import { USERS } from './accounts.ts'
import type { Result } from './nile.ts'

/** A run as its pages show it. */
export interface Run {
  readonly id: number
  readonly name: string
  readonly status: string
  readonly url: string
  readonly message: string | null
  readonly result: Result | null
}

const page = (user: User, title: string, ...content: readonly ComponentChild[]): string =>
  `<!doctype html>${render(
    h(
      'html',
      { lang: 'en' },
      h(
        'head',
        {},
        h('meta', { charset: 'utf-8' }),
        h('meta', { name: 'viewport', content: 'width=device-width, initial-scale=1' }),
        h('title', {}, `${title} · Nile`),
        h('link', { rel: 'stylesheet', href: '/portal.css' }),
        h('link', { rel: 'icon', href: '/portal.svg', type: 'image/svg+xml' }),
      ),
      h(
        'body',
        {},
        h(
          'header',
          {},
          h('a', { class: 'brand', href: '/nile' }, 'Nile'),
          h('nav', {}, h('a', { href: '/telesto/jobs' }, 'Jobs')),
          h(
            'form',
            { method: 'post', action: '/who' },
            h('label', { for: 'user' }, 'You are'),
            h(
              'select',
              { id: 'user', name: 'user' },
              USERS.map(({ id, name }) => h('option', { value: id, selected: id === user.id }, name)),
            ),
            h('button', { class: 'quiet' }, 'Switch'),
          ),
        ),
        h('main', {}, h('h1', {}, title), content),
      ),
    ),
  )}`

const field = (id: string, label: string, value: number, min: number, max: number): VNode =>
  h(
    'p',
    {},
    h('label', { for: id }, label),
    h('input', { id, name: id, type: 'number', value, min, max, required: true }),
  )

/** Where a run is started, with the latest runs below. */
export const renderStart = (user: User, runs: readonly Run[]): string =>
  page(
    user,
    'When did the level of the Nile change?',
    h(
      'p',
      { class: 'lead' },
      'The annual flow at Aswan from 1871 to 1970 has one step. An analysis finds the year of the step, and how sure it is, ' +
        'by resampling the record many times over. It takes about 20 seconds on this machine.',
    ),
    h(
      'form',
      { class: 'start', method: 'post', action: '/nile/runs' },
      field('seed', 'Seed', 1, 1, 2 ** 31 - 1),
      field('resamples', 'Resamples', 120_000, 100, 1_000_000),
      h('button', {}, 'Start the analysis'),
    ),
    h(
      'form',
      { class: 'many', method: 'post', action: '/nile/many' },
      h('button', { class: 'quiet' }, 'Start 200 short ones'),
      h('span', {}, 'and watch them go through the processor of this machine.'),
    ),
    h('h2', {}, 'Latest analyses'),
    runs.length === 0
      ? h('p', { class: 'empty' }, 'None yet.')
      : h(
          'ul',
          { class: 'runs' },
          runs.map((run) =>
            h(
              'li',
              { key: run.id },
              h('a', { href: run.result ? `/nile/runs/${run.id}` : run.url }, run.name),
              h('span', {}, run.result ? `after ${run.result.changeYear}` : run.status),
            ),
          ),
        ),
  )

const fact = (label: string, value: string): VNode[] => [h('dt', {}, label), h('dd', {}, value)]

/** The results of one run. */
export const renderRun = (user: User, run: Run): string =>
  page(
    user,
    run.name,
    run.result
      ? h(
          'div',
          {},
          h(
            'p',
            { class: 'lead' },
            'The level changed after ',
            h('strong', {}, String(run.result.changeYear)),
            `, the last year of the old one (95 % interval ${run.result.interval95.join(' to ')}).`,
          ),
          h('img', {
            class: 'plot',
            src: `/nile/runs/${run.id}/plot.svg`,
            alt: 'The annual flow, with its two levels and the year between them',
          }),
          h(
            'dl',
            {},
            ...fact('Mean before', `${Math.round(run.result.meanBefore)} · 10⁸ m³`),
            ...fact('Mean after', `${Math.round(run.result.meanAfter)} · 10⁸ m³`),
            ...fact('Drop', `${Math.round(run.result.drop)} · 10⁸ m³`),
            ...fact('Resamples', run.result.resamples.toLocaleString('en')),
          ),
        )
      : h('p', { class: 'lead' }, `This run is ${run.status}. Its results will be here when it is Complete.`),
    h('p', {}, h('a', { href: run.url }, 'The job: its log, its history, its files')),
  )
