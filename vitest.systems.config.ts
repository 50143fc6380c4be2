import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/systems/**/*.test.ts', 'test/examples/{portal,condor-nile}.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 30_000 } },
  },
})
