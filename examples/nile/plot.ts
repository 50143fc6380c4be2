/**
 * Draws the flow, its two levels and the year between them as one SVG: no script, no font and no file from elsewhere.
 *
 * Colours are attributes, and the style sheet only repaints them for dark screens. So the plot also looks right where
 * style sheets are not read: behind a strict content security policy, or in a program that knows little CSS.
 */
import type { Estimate, Summary } from './change-point.ts'
import type { Series } from './series.ts'

const PALETTE = {
  surface: { light: '#ffffff', dark: '#10161d' },
  ink: { light: '#17212b', dark: '#e9eef3' },
  muted: { light: '#566370', dark: '#9dabb9' },
  grid: { light: '#e6ebf0', dark: '#232d38' },
  axis: { light: '#9aa6b2', dark: '#4d5b69' },
  line: { light: '#aab6c2', dark: '#506072' },
  point: { light: '#5d6c7b', dark: '#a5b4c3' },
  before: { light: '#0a6aa8', dark: '#62bbf3' },
  after: { light: '#b4500b', dark: '#f7a363' },
  mark: { light: '#5a43c4', dark: '#b3a6ff' },
  band: { light: '#ece9fb', dark: '#252343' },
} as const

type Colour = keyof typeof PALETTE

const WIDTH = 868
const HEIGHT = 648
const LEFT = 92
const RIGHT = 700
const FLOW = { top: 122, bottom: 450 }
const SHARE = { top: 500, bottom: 586 }
const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"

/** How far apart the two mean labels must be, and how far for the drop to fit between them. */
const LABEL_GAP = 46
const DROP_GAP = 72

export function drawPlot(series: Series, summary: Summary): string {
  const { years } = series
  const first = years[0] as number
  const last = years.at(-1) as number
  const x = scale(first - 1, last + 1, LEFT, RIGHT)
  const yearAt = (split: number) => first + split - 1
  const change = yearAt(summary.fit.split)
  const [low, high] = [yearAt(summary.interval[0]), yearAt(summary.interval[1])]

  const title = `Annual flow of the Nile at Aswan, ${first} to ${last}`
  const count = grouped(summary.resamples)
  const description =
    `A line of the annual flow in 10⁸ cubic metres. The last year of the old level is ${change}; the 95 % interval of ` +
    `that year is ${low} to ${high}. The mean is ${plain(summary.before)} until ${change} and ${plain(summary.after)} ` +
    `from ${change + 1}. A histogram below shows the year of change in ${count} bootstrap resamples.`

  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}"`,
    ` role="img" aria-labelledby="title desc" font-family="${FONT}" font-size="14">`,
    `<title id="title">${title}</title>`,
    `<desc id="desc">${description}</desc>`,
    `<style>@media (prefers-color-scheme: dark) { ${darkRules()} }</style>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" rx="10" ${paint('surface')}/>`,
    text(24, 42, title, 'ink', 'font-size="21" font-weight="650"'),
    text(24, 68, `One step in the mean, by least squares; ± is one standard error, from ${count} resamples`, 'muted'),
    drawBand(x(low - 0.5), x(high + 0.5)),
    drawYears(x, first, last),
    drawFlow(series, summary, x, change),
    drawShares(summary, x, yearAt, [low, high]),
    '</svg>',
  ].join('\n')}\n`
}

function drawBand(from: number, to: number): string {
  const panel = ({ top, bottom }: typeof FLOW) =>
    `<rect x="${px(from)}" y="${top}" width="${px(to - from)}" height="${bottom - top}" ${paint('band')}/>`
  return panel(FLOW) + panel(SHARE)
}

function drawYears(x: Scale, first: number, last: number): string {
  const parts: string[] = []
  for (const year of ticks(first, last, 10)) {
    const at = px(x(year))
    parts.push(`<path d="M${at} ${SHARE.bottom}v5" ${paint('none', 'axis')}/>`)
    parts.push(text(x(year), SHARE.bottom + 22, `${year}`, 'muted', 'text-anchor="middle"'))
  }
  parts.push(text((LEFT + RIGHT) / 2, SHARE.bottom + 45, 'Year', 'muted', 'text-anchor="middle"'))
  return parts.join('\n')
}

function drawFlow({ years, flows }: Series, summary: Summary, x: Scale, change: number): string {
  const parts: string[] = []
  const levels = ticks(Math.min(...flows), Math.max(...flows), 5, 'around')
  const y = scale(levels[0] as number, levels.at(-1) as number, FLOW.bottom, FLOW.top)
  for (const level of levels) {
    parts.push(`<path d="M${LEFT} ${px(y(level))}H${RIGHT}" ${paint('none', 'grid')}/>`)
    parts.push(text(LEFT - 10, y(level) + 5, grouped(level), 'muted', 'text-anchor="end"'))
  }
  const middle = (FLOW.top + FLOW.bottom) / 2
  const turned = `text-anchor="middle" transform="rotate(-90 31 ${middle})"`
  parts.push(text(31, middle, 'Annual flow at Aswan (10⁸ m³)', 'muted', turned))

  // The step lies between two years; the mark stands on the last year of the old level, which is what it names.
  const step = px(x(change + 0.5))
  const before = px(y(summary.before.value))
  const after = px(y(summary.after.value))
  parts.push(`<path d="M${px(x(change))} ${FLOW.top - 8}V${FLOW.bottom}" ${paint('none', 'mark', 1.5)}/>`)
  parts.push(`<path d="M${step} ${before}H${RIGHT}" ${paint('none', 'before', 1)} stroke-dasharray="1 5"/>`)

  const points = years.map((year, i) => [px(x(year)), px(y(flows[i] as number))] as const)
  parts.push(`<path d="M${points.map((point) => point.join(' ')).join('L')}" ${paint('none', 'line', 1.25)}/>`)
  const dot = points.map(([cx, cy]) => `<circle cx="${cx}" cy="${cy}" r="2.3"/>`)
  parts.push(`<g ${paint('point')}>${dot.join('')}</g>`)
  parts.push(`<path d="M${LEFT} ${before}H${step}" ${paint('none', 'before', 3)} stroke-linecap="round"/>`)
  parts.push(`<path d="M${step} ${after}H${RIGHT}" ${paint('none', 'after', 3)} stroke-linecap="round"/>`)

  const [cx, cy] = points[summary.fit.split - 1] as readonly [string, string]
  parts.push(`<circle cx="${cx}" cy="${cy}" r="5" ${paint('surface', 'mark', 2)}/>`)
  parts.push(drawChangeLabel(x(change), change))
  parts.push(drawMeans(summary, y, change))
  return parts.join('\n')
}

/** Above the panel, so that no line can cross it; turned to the side that has room. */
function drawChangeLabel(at: number, change: number): string {
  const toTheRight = at < (LEFT + RIGHT) / 2
  const anchor = toTheRight ? 'start' : 'end'
  const label = `last year of the old level: ${change}`
  return text(at + (toTheRight ? -1 : 1), FLOW.top - 14, label, 'mark', `text-anchor="${anchor}" font-weight="650"`)
}

/** At the right end of the lines, where there are no data: both means, and the drop between them. */
function drawMeans({ before, after, drop }: Summary, y: Scale, change: number): string {
  const falls = drop.value > 0
  const middle = (y(before.value) + y(after.value)) / 2
  const half = Math.max(Math.abs(y(after.value) - y(before.value)), LABEL_GAP) / 2
  const beforeAt = middle + (falls ? -half : half)
  const afterAt = middle + (falls ? half : -half)
  const at = RIGHT + 12
  const label = (top: number, mean: Estimate, words: string, colour: Colour) =>
    text(at, top + 5, plain(mean), colour, 'font-size="16" font-weight="650"') +
    text(at, top + 22, words, 'muted', 'font-size="13"')
  const parts = [
    label(beforeAt, before, `mean until ${change}`, 'before'),
    label(afterAt, after, `mean from ${change + 1}`, 'after'),
  ]
  if (half * 2 >= DROP_GAP) {
    const share = Math.round((Math.abs(drop.value) / before.value) * 100)
    const size = plain({ value: Math.abs(drop.value), standardError: drop.standardError })
    parts.push(text(at, middle + 13, `${falls ? '↓' : '↑'} ${size} (${share} %)`, 'ink', 'font-size="13"'))
  }
  return parts.join('\n')
}

function drawShares(summary: Summary, x: Scale, yearAt: (split: number) => number, ends: [number, number]): string {
  const [low, high] = ends
  const shares = summary.counts.map((count) => count / summary.resamples)
  const most = Math.max(...shares)
  const y = scale(0, most, SHARE.bottom, SHARE.top + 4)
  const width = Math.max(1, x(1) - x(0) - 1)
  const bars = shares.flatMap((share, split) => {
    const year = yearAt(split)
    const top = y(share)
    // Less than a fifth of a pixel cannot be seen; thousands of resamples always have a few strays at the edges.
    if (SHARE.bottom - top < 0.2) return []
    const colour: Colour = year >= low && year <= high ? 'mark' : 'axis'
    const box = `x="${px(x(year) - width / 2)}" y="${px(top)}" width="${px(width)}" height="${px(SHARE.bottom - top)}"`
    return [`<rect ${box} ${paint(colour)}/>`]
  })
  // In the column at the right: whatever the shape of the histogram, no bar can reach its captions.
  const likeliest = yearAt(shares.indexOf(most))
  const at = RIGHT + 12
  return [
    text(LEFT, SHARE.top - 12, 'Year of change in each resample', 'muted'),
    `<path d="M${LEFT} ${SHARE.bottom}H${RIGHT}" ${paint('none', 'axis')}/>`,
    ...bars,
    text(at, SHARE.top + 20, `${low} to ${high}`, 'mark', 'font-size="16" font-weight="650"'),
    text(at, SHARE.top + 38, '95 % interval', 'muted', 'font-size="13"'),
    text(at, SHARE.top + 66, `${likeliest} in ${Math.round(most * 100)} % of them`, 'ink', 'font-size="13"'),
    text(at, SHARE.top + 84, `by chance: ${probability(summary.pValue)}`, 'muted', 'font-size="13"'),
  ].join('\n')
}

type Scale = (value: number) => number

function scale(from: number, to: number, start: number, end: number): Scale {
  return (value) => start + ((value - from) / (to - from)) * (end - start)
}

/** Round numbers within the range, or around it where the range itself must be covered. */
function ticks(from: number, to: number, about: number, where: 'within' | 'around' = 'within'): number[] {
  const rough = (to - from) / about
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10)
  const start = where === 'around' ? Math.floor(from / step) : Math.ceil(from / step)
  const end = where === 'around' ? Math.ceil(to / step) : Math.floor(to / step)
  return Array.from({ length: end - start + 1 }, (_, i) => (start + i) * step)
}

function text(x: number, y: number, words: string, colour: Colour, more = ''): string {
  return `<text x="${px(x)}" y="${px(y)}" ${paint(colour)} ${more}>${words}</text>`
}

function paint(fill: Colour | 'none', stroke?: Colour, width = 1): string {
  const fillPart = fill === 'none' ? 'fill="none"' : `fill="${PALETTE[fill].light}"`
  if (stroke === undefined) return `class="f-${fill}" ${fillPart}`
  return `class="f-${fill} s-${stroke}" ${fillPart} stroke="${PALETTE[stroke].light}" stroke-width="${width}"`
}

function darkRules(): string {
  return Object.entries(PALETTE)
    .map(([name, { dark }]) => `.f-${name} { fill: ${dark} } .s-${name} { stroke: ${dark} }`)
    .join(' ')
}

function px(value: number): string {
  return String(Math.round(value * 10) / 10)
}

function grouped(value: number, decimals?: number): string {
  if (decimals === undefined) return value.toLocaleString('en', { maximumSignificantDigits: 6 })
  return value.toLocaleString('en', { minimumFractionDigits: decimals, maximumFractionDigits: decimals })
}

/** As many decimals as the error leaves meaning in: none for a river in its full size. */
function plain({ value, standardError }: Estimate): string {
  const decimals = standardError > 0 ? Math.min(2, Math.max(0, Math.ceil(-Math.log10(standardError)))) : 1
  return `${grouped(value, decimals)} ± ${grouped(standardError, decimals)}`
}

function probability(p: number): string {
  return p < 0.001 ? 'p &lt; 0.001' : `p = ${p.toFixed(3)}`
}
