import { defineConfig } from 'vitest/config'

// What is about behaviour, on PostgreSQL: test/database.ts gives each test a schema of its own.
export default defineConfig({
  test: {
    include: [
      'test/*.test.ts',
      'test/engine/**/*.test.ts',
      'test/schedulers/**/*.test.ts',
      'test/web/**/*.test.ts',
      'test/store/{database,list,models,progress,write-queue}.test.ts',
      'test/systems/postgres*.test.ts',
      'test/processes/chatter.test.ts',
    ],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    maxWorkers: 4,
  },
})
