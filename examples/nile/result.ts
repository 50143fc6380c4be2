import type { Estimate, Summary } from './change-point.ts'
import type { Series } from './series.ts'

/** What result.json holds. */
export type Result = ReturnType<typeof describe>

export function describe({ years }: Series, summary: Summary, seed: number) {
  const lastYearAt = (split: number) => years[split - 1] as number
  const changeYear = lastYearAt(summary.fit.split)
  const rounded = ({ value, standardError }: Estimate) => [sixDigits(value), sixDigits(standardError)] as const
  const [meanBefore, meanBeforeError] = rounded(summary.before)
  const [meanAfter, meanAfterError] = rounded(summary.after)
  const [drop, dropError] = rounded(summary.drop)
  return {
    changeYear, // the last year of the old level
    firstYearOfNewLevel: changeYear + 1,
    interval95: summary.interval.map(lastYearAt), // of changeYear
    meanBefore,
    meanBeforeError, // errors are standard errors
    meanAfter,
    meanAfterError,
    drop,
    dropError,
    pValue: summary.pValue, // of "the mean never changed"
    resamples: summary.resamples,
    seed,
    data: { rows: years.length, firstYear: years[0], lastYear: years.at(-1) },
  }
}

function sixDigits(value: number): number {
  return Number(value.toPrecision(6))
}
