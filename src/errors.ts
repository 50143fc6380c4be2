/** What can be wrong with a request to Telesto: a stable code, with the HTTP status that answers it. */
export const STATUS_OF = {
  /** A value that can never be accepted; `field` names it. */
  invalid: 400,
  /** An option, filter or order that does not exist. */
  unknown_field: 400,
  unknown_job_type: 400,
  unknown_process_results: 400,
  unknown_task: 400,
  unknown_parent: 400,
  /** Jobs that would wait for each other; the message shows the path. */
  parents_cycle: 400,
  unknown_action: 404,
  unknown_app: 404,
  not_signed_in: 401,
  /** No such thing, or not visible to this user. */
  not_found: 404,
  /** Visible, but this user may not do that. */
  forbidden: 403,
  /** The job's status forbids it. */
  action_not_allowed: 409,
  status_owned_by_scheduler: 409,
  parts_owned_by_scheduler: 409,
  already_settled: 409,
  job_is_active: 409,
  job_has_children: 409,
  job_not_saved: 409,
  /** Its result was asked for, and it did not complete. */
  job_failed: 409,
  /** What was waited for has not happened in the time that was given; it may yet. */
  timeout: 504,
  job_does_not_exist: 404,
  multiple_jobs_returned: 409,
  setting_not_declared: 400,
  setting_not_assigned: 409,
  setting_wrong_adapter: 400,
  scheduler_name_taken: 409,
  scheduler_not_found: 404,
  scheduler_has_active_jobs: 409,
  /** A scheduler did not answer a person's question in time; the job is as it was. */
  scheduler_unavailable: 503,
  secrets_without_key: 409,
  /** A secret is stored, and the key that encrypted it is not at hand. */
  secret_unreadable: 409,
  /** The job's scheduler has no such operation. */
  not_supported: 409,
  database_locked: 503,
  database_read_only: 503,
  database_full: 507,
  database_too_new: 500,
  database_too_old: 500,
  database_unusable: 500,
  unsafe_path: 400,
  workspace_outside_roots: 400,
  report_refused: 403,
  unknown_authorization: 401,
  method_not_allowed: 405,
  body_too_large: 413,
  body_invalid: 400,
  cross_site: 403,
  too_many_requests: 429,
  closed: 503,
} as const

export type TelestoErrorCode = keyof typeof STATUS_OF

/** The one error that Telesto throws at its callers: a code for programs, a sentence that says what to do for people. */
export class TelestoError extends Error {
  override readonly name: string = 'TelestoError'
  readonly code: TelestoErrorCode
  /** The option, filter or body field that is wrong, as a path: "tags.basin". */
  readonly field?: string
  constructor(code: TelestoErrorCode, message: string, options: ErrorOptions & { readonly field?: string } = {}) {
    super(message, options)
    this.code = code
    if (options.field !== undefined) this.field = options.field
  }
  /** The HTTP status that fits, where Express and its like look for it. */
  get status(): number {
    return STATUS_OF[this.code]
  }
}

/** `query().get()` found nothing. The message holds the filters. */
export class JobDoesNotExist extends TelestoError {
  override readonly name = 'JobDoesNotExist'
  constructor(filters: string) {
    super('job_does_not_exist', `No job matches ${filters}. Use first() or getJob() where none is an answer.`)
  }
}

/** `query().get()` found more than one. The message holds the filters. */
export class MultipleJobsReturned extends TelestoError {
  override readonly name = 'MultipleJobsReturned'
  constructor(filters: string) {
    super('multiple_jobs_returned', `More than one job matches ${filters}. Filter further, or use first().`)
  }
}
