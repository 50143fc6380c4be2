import { DataTypes, type Model, type ModelAttributes, type ModelStatic, type Sequelize } from 'sequelize'

const id = { type: DataTypes.INTEGER, primaryKey: true, autoIncrement: true }
const key = (type: typeof DataTypes.TEXT | typeof DataTypes.INTEGER) => ({ type, primaryKey: true })
const text = DataTypes.TEXT
const integer = DataTypes.INTEGER
/** Milliseconds since 1970. */
const time = DataTypes.BIGINT
const real = DataTypes.REAL

// The tables as the migrations make them; a test compares. Columns are the attributes in snake_case.
const TABLES: Readonly<Record<string, ModelAttributes>> = {
  telesto_schedulers: {
    id,
    name: text,
    adapter: text,
    config: text,
    machine: text,
    enabled: integer,
    pollSeconds: real,
    maxIdsPerPoll: integer,
    maxPollsPerMinute: integer,
    maxSubmitsPerMinute: integer,
    maxActiveJobs: integer,
    maxActiveJobsPerUser: integer,
    health: text,
    healthMessage: text,
    healthSince: time,
    pollFailures: integer,
    ordersFailures: integer,
    nextPollAt: time,
    lastAskedAt: time,
    lastAnsweredAt: time,
    quietPolls: integer,
    pollOwner: text,
    pollUntil: time,
    nextOrdersAt: time,
    ordersOwner: text,
    ordersUntil: time,
    submitWindowStart: time,
    submitWindowCount: integer,
    creationTime: time,
  },
  telesto_scheduler_settings: {
    app: key(text),
    name: key(text),
    adapter: text,
    description: text,
    required: integer,
    schedulerId: integer,
  },
  telesto_jobs: {
    id,
    app: text,
    name: text,
    description: text,
    userId: text,
    jobType: text,
    spec: text,
    needsScheduler: integer,
    schedulerSetting: text,
    schedulerId: integer,
    workspace: text,
    processResults: text,
    extendedProperties: text,
    statusCode: text,
    customStatus: text,
    statusVersion: integer,
    statusChangedAt: time,
    statusMessage: text,
    progress: real,
    nativeState: text,
    cause: text,
    reason: text,
    exitCode: integer,
    attemptId: integer,
    creationTime: time,
    executeTime: time,
    startTime: time,
    completionTime: time,
    lastStatusUpdate: time,
    deletedAt: time,
  },
  telesto_attempts: {
    id,
    jobId: integer,
    number: integer,
    token: text,
    jobType: text,
    schedulerId: integer,
    workdir: text,
    nativeId: text,
    live: integer,
    ended: integer,
    mentioned: integer,
    watchDueAt: time,
    watchUntil: time,
    gapCount: integer,
    gapSince: time,
    orderName: text,
    orderDueAt: time,
    orderTries: integer,
    orderError: text,
    handedOverAt: time,
    collectDueAt: time,
    collectTries: integer,
    collectError: text,
    collectOwner: text,
    collectUntil: time,
    statusCode: text,
    cause: text,
    reason: text,
    exitCode: integer,
    executeTime: time,
    startTime: time,
    completionTime: time,
  },
  telesto_parts: {
    attemptId: key(integer),
    position: integer,
    name: key(text),
    state: text,
    nativeId: text,
    nativeState: text,
    message: text,
    exitCode: integer,
    startedAt: time,
    endedAt: time,
    reportedAt: time,
  },
  telesto_strays: {
    token: key(text),
    nativeId: key(text),
    jobId: integer,
    jobType: text,
    schedulerId: integer,
    workdir: text,
    dueAt: time,
    tries: integer,
  },
  telesto_events: {
    id,
    kind: text,
    at: time,
    app: text,
    jobId: integer,
    attempt: integer,
    schedulerId: integer,
    data: text,
  },
  telesto_groups: { jobId: key(integer), name: key(text) },
  telesto_tags: { jobId: key(integer), name: key(text), value: text },
  telesto_parents: { jobId: key(integer), parentId: key(integer) },
  telesto_audit: {
    id,
    at: time,
    userId: text,
    action: text,
    app: text,
    jobId: integer,
    schedulerId: integer,
    address: text,
    data: text,
  },
}

/** What is read as objects goes through these; hot paths and everything that is written are raw SQL beside them. */
export interface Models {
  readonly Scheduler: ModelStatic<Model>
  readonly Attempt: ModelStatic<Model>
}

/** Defines a model for each table, and gives those that are read through. */
export const defineModels = (sequelize: Sequelize): Models => {
  for (const [tableName, attributes] of Object.entries(TABLES)) {
    sequelize.define(tableName, attributes, { tableName, timestamps: false, underscored: true })
  }
  return {
    Scheduler: sequelize.model('telesto_schedulers'),
    Attempt: sequelize.model('telesto_attempts'),
  }
}
