import type { Migration, MigrationContext } from './migration.js'

// Times are milliseconds since 1970 by the database's clock; JSON is text; a flag is 0 or 1. Jobs and attempts keep the id of a
// record that was removed: no other gets it, so that nothing of theirs ever moves to another scheduler.
const tables = [
  `telesto_schedulers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    adapter TEXT NOT NULL,
    config TEXT NOT NULL DEFAULT '{}',
    secrets TEXT NOT NULL DEFAULT '{}',
    machine TEXT,
    enabled INTEGER NOT NULL DEFAULT 1,
    poll_seconds REAL NOT NULL,
    max_ids_per_poll INTEGER NOT NULL,
    max_polls_per_minute INTEGER,
    max_submits_per_minute INTEGER NOT NULL,
    max_active_jobs INTEGER,
    max_active_jobs_per_user INTEGER,
    health TEXT NOT NULL DEFAULT 'ok',
    health_message TEXT,
    health_since BIGINT,
    poll_failures INTEGER NOT NULL DEFAULT 0,
    orders_failures INTEGER NOT NULL DEFAULT 0,
    next_poll_at BIGINT NOT NULL DEFAULT 0,
    last_asked_at BIGINT,
    last_answered_at BIGINT,
    quiet_polls INTEGER NOT NULL DEFAULT 0,
    poll_owner TEXT,
    poll_until BIGINT NOT NULL DEFAULT 0,
    next_orders_at BIGINT NOT NULL DEFAULT 0,
    orders_owner TEXT,
    orders_until BIGINT NOT NULL DEFAULT 0,
    submit_window_start BIGINT NOT NULL DEFAULT 0,
    submit_window_count INTEGER NOT NULL DEFAULT 0,
    creation_time BIGINT NOT NULL
  )`,
  `telesto_scheduler_settings (
    app TEXT NOT NULL,
    name TEXT NOT NULL,
    adapter TEXT NOT NULL,
    description TEXT NOT NULL DEFAULT '',
    required INTEGER NOT NULL DEFAULT 0,
    scheduler_id INTEGER REFERENCES telesto_schedulers (id) ON DELETE SET NULL,
    PRIMARY KEY (app, name)
  )`,
  `telesto_jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    app TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL DEFAULT '',
    user_id TEXT NOT NULL,
    job_type TEXT NOT NULL,
    spec TEXT NOT NULL,
    needs_scheduler INTEGER NOT NULL,
    task TEXT,
    scheduler_setting TEXT,
    scheduler_id INTEGER,
    workspace TEXT NOT NULL DEFAULT '',
    process_results TEXT,
    on_parent_failure TEXT NOT NULL DEFAULT 'abort',
    extended_properties TEXT NOT NULL DEFAULT '{}',
    status_code TEXT NOT NULL DEFAULT 'PEN',
    custom_status TEXT,
    status_class TEXT,
    status_version INTEGER NOT NULL DEFAULT 0,
    status_changed_at BIGINT NOT NULL,
    status_message TEXT,
    part_states TEXT,
    progress REAL,
    native_state TEXT,
    cause TEXT,
    reason TEXT,
    exit_code INTEGER,
    attempt_id INTEGER,
    creation_time BIGINT NOT NULL,
    execute_time BIGINT,
    start_time BIGINT,
    completion_time BIGINT,
    last_status_update BIGINT,
    deleted_at BIGINT
  )`,
  `telesto_attempts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id INTEGER NOT NULL REFERENCES telesto_jobs (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    token TEXT NOT NULL UNIQUE,
    job_type TEXT NOT NULL,
    scheduler_id INTEGER,
    workdir TEXT NOT NULL,
    target_workdir TEXT,
    native_id TEXT,
    live INTEGER NOT NULL DEFAULT 0,
    ended INTEGER NOT NULL DEFAULT 0,
    mentioned INTEGER NOT NULL DEFAULT 0,
    watch_due_at BIGINT,
    watch_until BIGINT,
    gap_count INTEGER NOT NULL DEFAULT 0,
    gap_since BIGINT,
    order_name TEXT,
    order_due_at BIGINT NOT NULL DEFAULT 0,
    order_tries INTEGER NOT NULL DEFAULT 0,
    order_error TEXT,
    handed_over_at BIGINT,
    waits_for INTEGER,
    collect_due_at BIGINT,
    collect_tries INTEGER NOT NULL DEFAULT 0,
    collect_error TEXT,
    collect_owner TEXT,
    collect_until BIGINT NOT NULL DEFAULT 0,
    status_code TEXT,
    custom_status TEXT,
    cause TEXT,
    reason TEXT,
    exit_code INTEGER,
    result TEXT,
    execute_time BIGINT,
    start_time BIGINT,
    completion_time BIGINT,
    UNIQUE (job_id, number)
  )`,
  `telesto_parts (
    attempt_id INTEGER NOT NULL REFERENCES telesto_attempts (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    native_id TEXT,
    native_state TEXT,
    message TEXT,
    exit_code INTEGER,
    started_at BIGINT,
    ended_at BIGINT,
    reported_at BIGINT,
    PRIMARY KEY (attempt_id, name)
  )`,
  `telesto_strays (
    token TEXT NOT NULL,
    native_id TEXT NOT NULL,
    job_id INTEGER NOT NULL,
    job_type TEXT NOT NULL,
    scheduler_id INTEGER NOT NULL REFERENCES telesto_schedulers (id),
    workdir TEXT NOT NULL,
    due_at BIGINT NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (token, native_id)
  )`,
  `telesto_events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    at BIGINT NOT NULL,
    app TEXT,
    job_id INTEGER,
    attempt INTEGER,
    scheduler_id INTEGER,
    data TEXT NOT NULL DEFAULT '{}'
  )`,
  // With a copy of what lists are ordered by, kept by triggers: so the jobs of a group have indexes of their own.
  `telesto_groups (
    job_id INTEGER NOT NULL REFERENCES telesto_jobs (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    user_id TEXT NOT NULL,
    job_name TEXT NOT NULL,
    status_code TEXT NOT NULL,
    creation_time BIGINT NOT NULL,
    execute_time BIGINT,
    start_time BIGINT,
    completion_time BIGINT,
    PRIMARY KEY (job_id, name)
  )`,
  `telesto_tags (
    job_id INTEGER NOT NULL REFERENCES telesto_jobs (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (job_id, name)
  )`,
  `telesto_parents (
    job_id INTEGER NOT NULL REFERENCES telesto_jobs (id) ON DELETE CASCADE,
    parent_id INTEGER NOT NULL REFERENCES telesto_jobs (id),
    PRIMARY KEY (job_id, parent_id)
  )`,
  `telesto_audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at BIGINT NOT NULL,
    user_id TEXT,
    action TEXT NOT NULL,
    app TEXT,
    job_id INTEGER,
    scheduler_id INTEGER,
    address TEXT,
    data TEXT NOT NULL DEFAULT '{}',
    event_id INTEGER
  )`,
]

// Every order that a list offers, over all apps (an administrator), within an app, for one owner, and for a group.
const orders = ['id', 'name', 'status_code', 'creation_time', 'execute_time', 'start_time', 'completion_time']
const lists = orders.flatMap((order) => {
  const then = order === 'id' ? 'id' : `${order} NULLS FIRST, id`
  const ofGroup = order === 'id' ? 'job_id' : `${order === 'name' ? 'job_name' : order} NULLS FIRST, job_id`
  return [
    `telesto_groups_${order} ON telesto_groups (name, ${ofGroup})`,
    `telesto_jobs_app_${order} ON telesto_jobs (app, ${then}) WHERE deleted_at IS NULL`,
    `telesto_jobs_user_${order} ON telesto_jobs (user_id, ${then}) WHERE deleted_at IS NULL`,
    ...(order === 'id' ? [] : [`telesto_jobs_${order} ON telesto_jobs (${then}) WHERE deleted_at IS NULL`]),
  ]
})

const indexes = [
  ...lists,
  'telesto_jobs_job_type ON telesto_jobs (job_type, id)',
  'telesto_jobs_scheduler ON telesto_jobs (scheduler_setting, id) WHERE scheduler_setting IS NOT NULL',
  'telesto_jobs_custom_status ON telesto_jobs (custom_status, id) WHERE custom_status IS NOT NULL',
  'telesto_jobs_deleted ON telesto_jobs (deleted_at) WHERE deleted_at IS NOT NULL',
  'telesto_attempts_live ON telesto_attempts (scheduler_id) WHERE live = 1',
  'telesto_attempts_watch ON telesto_attempts (scheduler_id, watch_due_at) WHERE watch_due_at IS NOT NULL',
  'telesto_attempts_order ON telesto_attempts (scheduler_id, order_due_at) WHERE order_name IS NOT NULL AND waits_for IS NULL',
  'telesto_attempts_waits ON telesto_attempts (waits_for) WHERE waits_for IS NOT NULL',
  'telesto_attempts_collect ON telesto_attempts (collect_due_at) WHERE collect_due_at IS NOT NULL',
  'telesto_strays_due ON telesto_strays (scheduler_id, due_at)',
  'telesto_events_job ON telesto_events (job_id, id)',
  'telesto_events_at ON telesto_events (at)',
  'telesto_groups_user ON telesto_groups (name, user_id)',
  'telesto_tags_value ON telesto_tags (name, value, job_id)',
  'telesto_parents_parent ON telesto_parents (parent_id)',
  'telesto_audit_job ON telesto_audit (job_id, event_id)',
]

const triggers = [
  {
    name: 'telesto_groups_follow',
    on: 'UPDATE OF name, status_code, execute_time, start_time, completion_time ON telesto_jobs',
    when: 'TRUE',
    does: `UPDATE telesto_groups SET job_name = NEW.name, status_code = NEW.status_code, execute_time = NEW.execute_time,
      start_time = NEW.start_time, completion_time = NEW.completion_time WHERE job_id = NEW.id`,
  },
  {
    name: 'telesto_groups_go',
    on: 'UPDATE OF deleted_at ON telesto_jobs',
    when: 'NEW.deleted_at IS NOT NULL',
    does: 'DELETE FROM telesto_groups WHERE job_id = NEW.id',
  },
] as const
type Trigger = (typeof triggers)[number]

type Dialect = MigrationContext['dialect']

// The words above are SQLite's, but for the order of NULLs, which in its indexes is FIRST without a word. PostgreSQL's INTEGER
// would have 32 bits and not 64, and its text the order of a language and not that of its bytes.
const WORDS: Readonly<Record<Dialect, readonly (readonly [RegExp, string])[]>> = {
  sqlite: [[/ NULLS FIRST/g, '']],
  postgres: [
    [/\bINTEGER PRIMARY KEY AUTOINCREMENT\b/g, 'BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY'],
    [/\bINTEGER\b/g, 'BIGINT'],
    [/\bREAL\b/g, 'DOUBLE PRECISION'],
    [/\bTEXT\b/g, 'TEXT COLLATE "C"'],
  ],
}
const spelled = (sql: string, dialect: Dialect): string =>
  WORDS[dialect].reduce((text, [word, spelling]) => text.replace(word, spelling), sql)

const TRIGGER: Readonly<Record<Dialect, (trigger: Trigger) => readonly string[]>> = {
  sqlite: ({ name, on, when, does }) => [`CREATE TRIGGER ${name} AFTER ${on} WHEN ${when} BEGIN ${does}; END`],
  postgres: ({ name, on, when, does }) => [
    `CREATE FUNCTION ${name}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN ${does}; RETURN NULL; END'`,
    `CREATE TRIGGER ${name} AFTER ${on} FOR EACH ROW WHEN (${when}) EXECUTE FUNCTION ${name}()`,
  ],
}

/** The whole domain: jobs, attempts with their orders, parts, strays, events, groups, tags, parents, schedulers, settings, audit. */
export const jobs: Migration = {
  name: '0001-jobs',
  async up({ dialect, run }) {
    for (const table of tables) await run(spelled(`CREATE TABLE ${table}`, dialect))
    for (const index of indexes) await run(spelled(`CREATE INDEX ${index}`, dialect))
    for (const trigger of triggers) for (const sql of TRIGGER[dialect](trigger)) await run(sql)
  },
  async down({ dialect, run }) {
    for (const table of tables.toReversed()) await run(`DROP TABLE ${table.slice(0, table.indexOf(' '))}`)
    if (dialect === 'postgres') for (const { name } of triggers) await run(`DROP FUNCTION ${name}()`)
  },
}
