/** What a migration may use: one open transaction of the database that is migrated. */
export interface MigrationContext {
  readonly dialect: 'sqlite' | 'postgres'
  run(sql: string): Promise<void>
}

/** One step of the schema. `down` undoes it, losing only what the step itself added. */
export interface Migration {
  /** Unique and ordered: "0001-jobs". Stored in the database, so never renamed. */
  readonly name: string
  up(context: MigrationContext): Promise<void>
  down(context: MigrationContext): Promise<void>
}
