import { defineConfig } from 'vitest/config'

const common = { testTimeout: 30_000, hookTimeout: 30_000 }

const WHOLE = [
  'test/processes/**/*.test.ts',
  'test/docs/**/*.test.ts',
  'test/adapters/local-crash.test.ts',
  'test/cli/{schedulers,called-wrongly}.test.ts',
]

export default defineConfig({
  test: {
    // Many tests wait for processes and clocks: more of them than there are processors.
    maxWorkers: 5,
    projects: [
      {
        test: {
          ...common,
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: [...WHOLE, 'test/systems/**', 'test/examples/**'],
        },
      },
      {
        // Whole programs: servers that are killed, the documents' own, the example's computation.
        test: { ...common, name: 'whole', include: [...WHOLE, 'test/examples/{nile,host-type}.test.ts'] },
      },
      {
        // The same suites of the web, in an app of the older Express.
        resolve: { alias: { express: 'express4' } },
        test: { ...common, name: 'express 4', include: ['test/web/**/*.test.ts'] },
      },
    ],
  },
})
