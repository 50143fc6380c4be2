import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { startPortal } from '../examples/start-portal.js'

// The example portal in Chromium, as its users see it. SCREENSHOTS=<directory> keeps a picture of every page.

const WIDE = { width: 1280, height: 900 }
const NARROW = { width: 390, height: 844 }

let browser: Browser
let origin: string
let stop: () => Promise<void>

beforeAll(async () => {
  ;({ origin, stop } = await startPortal())
  browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
})
afterAll(async () => {
  await browser.close()
  await stop()
})

/** A page that has nothing to complain of: no script error, no style or script that the policy blocks. */
const open = async (
  url: string,
  options: BrowserContextOptions = {},
  expected: readonly RegExp[] = [],
): Promise<Page> => {
  const context = await browser.newContext({ viewport: WIDE, ...options })
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()))
  page.on('pageerror', (error) => complaints.push(error.message))
  onTestFinished(async () => {
    expect(complaints).toEqual(expected.map((complaint) => expect.stringMatching(complaint)))
    await context.close()
  })
  await page.goto(origin + url)
  return page
}

const picture = async (page: Page, name: string): Promise<void> => {
  const folder = process.env.SCREENSHOTS
  if (folder === undefined) return
  mkdirSync(folder, { recursive: true })
  await page.screenshot({ path: path.join(folder, `${name}.png`) })
}

const mainText = async (page: Page): Promise<string> => (await page.locator('main').textContent()) ?? ''

const overflow = async (page: Page): Promise<number> =>
  await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)

/** Every text that an element has had since now, in order. */
const follow = async (page: Page, selector: string): Promise<() => Promise<string[]>> => {
  await page.evaluate((wanted) => {
    const texts: string[] = []
    Object.assign(window, { seen: texts })
    const look = () => {
      const text = document.querySelector(wanted)?.textContent?.trim() ?? ''
      if (text !== texts.at(-1)) texts.push(text)
    }
    look()
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true })
  }, selector)
  return async () => await page.evaluate(() => (window as unknown as { seen: string[] }).seen)
}

test('without jobs, the jobs page says so and where to begin', async () => {
  const page = await open('/telesto/jobs')
  await picture(page, 'jobs-empty-wide-light')
  expect((await mainText(page)).toLowerCase()).toContain('no jobs')
})

test('an analysis is started from a form and watched live to its plot, without a reload', async () => {
  const page = await open('/nile')
  await picture(page, 'nile-empty-wide-light')
  await page.getByLabel('Resamples').fill('40000')
  await page.getByRole('button', { name: 'Start the analysis' }).click()
  await page.waitForURL(/\/telesto\/jobs\/\d+$/)
  await page.evaluate(() => Object.assign(window, { sameDocument: true }))
  const texts = await follow(page, 'main')
  await page.getByText('Running').first().waitFor()
  await picture(page, 'job-running-wide-light')
  await vi.waitFor(async () => expect(await mainText(page)).toContain('The level changed after 1898'), {
    timeout: 60_000,
    interval: 100,
  })
  expect(await page.evaluate(() => (window as unknown as { sameDocument?: boolean }).sameDocument)).toBe(true)
  expect((await texts()).length).toBeGreaterThan(3)
  const plot = page.locator('img[src*="plot.svg"]').first()
  await vi.waitFor(async () =>
    expect(await plot.evaluate((image: HTMLImageElement) => image.naturalWidth)).toBeGreaterThan(0),
  )
  await picture(page, 'job-complete-wide-light')
})

test('the results page of the app names the year', async () => {
  const page = await open('/nile/runs/1')
  await picture(page, 'results-wide-light')
  expect(await mainText(page)).toContain('The level changed after 1898')
})

test('200 short runs go through the table, row by row', async () => {
  const page = await open('/nile')
  await page.getByRole('button', { name: 'Start 200 short ones' }).click()
  await page.waitForURL(/\/telesto\/jobs$/)
  await page.locator('tbody').getByText('Pending').first().waitFor()
  await picture(page, 'jobs-full-wide-light')
  await page.goto(`${origin}/telesto/jobs?sort=id`)
  const first = page.locator('tbody tr', { hasText: 'seed: 12' })
  await vi.waitFor(async () => expect(await first.textContent()).toContain('Complete'), {
    timeout: 90_000,
    interval: 200,
  })
})

test('a running job is stopped by its button', async () => {
  const page = await open('/nile')
  await page.getByLabel('Resamples').fill('1000000')
  await page.getByRole('button', { name: 'Start the analysis' }).click()
  await page.waitForURL(/\/telesto\/jobs\/\d+$/)
  page.on('dialog', (dialog) => void dialog.accept())
  await page.getByRole('button', { name: 'Stop' }).first().click()
  await vi.waitFor(async () => expect(await mainText(page)).toContain('Aborted'), {
    timeout: 60_000,
    interval: 100,
  })
  await picture(page, 'job-aborted-wide-light')
})

describe.each([
  ['wide', 'light', WIDE],
  ['wide', 'dark', WIDE],
  ['narrow', 'light', NARROW],
  ['narrow', 'dark', NARROW],
] as const)('%s and %s', (width, scheme, viewport) => {
  test.each([
    ['jobs', '/telesto/jobs'],
    ['job', '/telesto/jobs/1'],
    ['missing', '/telesto/jobs/999999'],
    ['nile', '/nile'],
    ['results', '/nile/runs/1'],
  ])('the page "%s" fits its window', async (name, url) => {
    const context = await browser.newContext({ viewport, colorScheme: scheme })
    onTestFinished(async () => await context.close())
    const page = await context.newPage()
    await page.goto(origin + url)
    await picture(page, `${name}-${width}-${scheme}`)
    expect(await overflow(page)).toBeLessThanOrEqual(0)
    const brightness = await page.evaluate(() => {
      const colour = getComputedStyle(document.body).backgroundColor.match(/\d+/g)?.map(Number) ?? []
      return Math.max(...colour.slice(0, 3))
    })
    if (scheme === 'dark') expect(brightness).toBeLessThan(80)
    else expect(brightness).toBeGreaterThan(200)
  })
})

test('everything can be read and stopped without JavaScript', async () => {
  const page = await open('/nile', { javaScriptEnabled: false })
  await page.getByLabel('Resamples').fill('1000000')
  await page.getByRole('button', { name: 'Start the analysis' }).click()
  await page.waitForURL(/\/telesto\/jobs\/\d+$/)
  await page.getByRole('button', { name: 'Stop' }).first().click()
  await vi.waitFor(
    async () => {
      await page.reload()
      expect(await mainText(page)).toContain('Aborted')
    },
    { timeout: 60_000, interval: 500 },
  )
})

describe.each([
  ['wide', 'light', WIDE],
  ['narrow', 'dark', NARROW],
] as const)('an administrator, %s and %s', (width, scheme, viewport) => {
  test('finds the schedulers, tests one, and changes it', async () => {
    const page = await open('/nile', { viewport, colorScheme: scheme }, [/status of 400/])
    await page.getByLabel('You are').selectOption('root')
    await page.getByRole('button', { name: 'Switch' }).click()
    await page.waitForURL(/\/telesto\/jobs$/)
    await page.getByRole('link', { name: 'Schedulers' }).click()
    await page.waitForURL(/\/telesto\/schedulers$/)
    const fits = async (name: string): Promise<void> => {
      await picture(page, `${name}-${width}-${scheme}`)
      expect(await overflow(page)).toBeLessThanOrEqual(0)
    }
    await fits('schedulers')
    await page.getByRole('link', { name: 'local', exact: true }).click()
    await page.getByRole('button', { name: 'Test' }).click()
    await page.getByText('Test: local is ok').waitFor()
    await fits('scheduler')
    const limit = page.getByLabel('Max active jobs per user')
    await limit.fill('none')
    await page.getByRole('button', { name: 'Save' }).click()
    // What is wrong stands where the cursor is.
    await page.getByText('Max active jobs per user must be a number.').first().waitFor()
    expect(await limit.evaluate((input) => input === document.activeElement)).toBe(true)
    await limit.fill('3')
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByText('Saved.').waitFor()
    expect(await limit.inputValue()).toBe('3')
  })
})
