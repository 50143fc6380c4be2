import { jobs } from './0001-jobs.js'
import type { Migration } from './migration.js'

export type { Migration, MigrationContext } from './migration.js'

/** Every step of the schema, oldest first. */
export const migrations: readonly Migration[] = [jobs]
