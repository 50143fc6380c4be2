import { defineConfig } from 'vitest/config'

const common = { testTimeout: 30_000, hookTimeout: 30_000 }

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...common,
          name: 'telesto',
          include: ['test/**/*.test.ts'],
          exclude: ['test/systems/**', 'test/examples/portal.test.ts'],
        },
      },
      {
        // The same suites of the web, in an app of the older Express.
        resolve: { alias: { express: 'express4' } },
        test: { ...common, name: 'express 4', include: ['test/web/**/*.test.ts'] },
      },
    ],
  },
})
