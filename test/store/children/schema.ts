import type { Migration } from '../../../migrations/index.js'

/** One table of counters, with one row. */
export const counters: Migration = {
  name: '0001-counters',
  async up({ run }) {
    await run('CREATE TABLE counters (id INTEGER PRIMARY KEY, n INTEGER NOT NULL, note TEXT UNIQUE)')
    await run('INSERT INTO counters (id, n) VALUES (1, 0)')
  },
  async down({ run }) {
    await run('DROP TABLE counters')
  },
}

/** The step after it. */
export const labels: Migration = {
  name: '0002-labels',
  async up({ run }) {
    await run('CREATE TABLE labels (counter INTEGER NOT NULL REFERENCES counters (id), text TEXT NOT NULL)')
    await run('CREATE INDEX labels_text ON labels (text)')
  },
  async down({ run }) {
    await run('DROP TABLE labels')
  },
}
