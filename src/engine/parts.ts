import type { JobPart, JobState } from '../adapter.js'
import { FINAL_STATES } from '../decide.js'
import type { Transaction } from '../store/database.js'
import { countParts, readParts, type StoredPart } from '../store/history.js'
import { insertRows } from '../store/insert.js'

/** What the parts are, after an answer to a question of `asked`: a state that the job itself told later than that stays. Pure. */
export const mergeParts = (
  stored: readonly StoredPart[],
  answered: readonly JobPart[],
  asked: number,
): StoredPart[] => {
  const told = new Map(stored.filter((part) => (part.reportedAt ?? 0) > asked).map((part) => [part.name, part]))
  return answered.map((part, position) => ({
    position,
    name: part.name,
    state: told.get(part.name)?.state ?? part.state,
    nativeId: part.nativeId ?? null,
    nativeState: part.nativeState ?? null,
    message: part.message ?? null,
    exitCode: part.exitCode ?? null,
    startedAt: part.startedAt?.getTime() ?? null,
    endedAt: part.endedAt?.getTime() ?? null,
    reportedAt: told.get(part.name)?.reportedAt ?? null,
  }))
}

const COLUMNS = [
  'position',
  'name',
  'state',
  'native_id',
  'native_state',
  'message',
  'exit_code',
  'started_at',
  'ended_at',
  'reported_at',
]
const valuesOf = (part: StoredPart) => [
  part.position,
  part.name,
  part.state,
  part.nativeId,
  part.nativeState,
  part.message,
  part.exitCode,
  part.startedAt,
  part.endedAt,
  part.reportedAt,
]

/** Stores the parts of an attempt where they differ; true if they did. */
export const storeParts = async (
  tx: Transaction,
  attemptId: number,
  answered: readonly JobPart[],
  asked: number,
): Promise<boolean> => {
  const stored = await readParts(tx, attemptId)
  const merged = mergeParts(stored, answered, asked)
  if (JSON.stringify(stored.map(valuesOf)) === JSON.stringify(merged.map(valuesOf))) return false
  await tx.run('DELETE FROM telesto_parts WHERE attempt_id = $1', [attemptId])
  await insertParts(tx, attemptId, merged)
  await countParts(tx, attemptId)
  return true
}

const insertParts = async (tx: Transaction, attemptId: number, parts: readonly StoredPart[]): Promise<void> => {
  await insertRows(
    tx,
    'telesto_parts',
    ['attempt_id', ...COLUMNS],
    parts.map((part) => [attemptId, ...valuesOf(part)]),
  )
}

/** What an app, or the job itself, tells of a part. What is absent stays as it was. */
export interface ToldPart {
  /** Names the part within the job: 1 to 255 characters on one line. */
  readonly name: string
  readonly state: JobState
  /** Why it is so, in up to 2,048 characters; null takes it away. */
  readonly message?: string | null
  readonly exitCode?: number
  /** What another system calls it. */
  readonly nativeId?: string
}

const BEGUN: ReadonlySet<JobState> = new Set(['running', 'suspended'])

/** The part after it was told; a part that had ended and is alive again begins anew. Pure. */
export const withTold = (known: StoredPart | undefined, told: ToldPart, position: number, now: number): StoredPart => {
  const ended = FINAL_STATES.has(told.state)
  const before = known && FINAL_STATES.has(known.state) && !ended ? undefined : known
  return {
    position: known?.position ?? position,
    name: told.name,
    state: told.state,
    nativeId: told.nativeId ?? known?.nativeId ?? null,
    nativeState: null,
    message: told.message === undefined ? (before?.message ?? null) : told.message,
    exitCode: told.exitCode ?? before?.exitCode ?? null,
    startedAt: before?.startedAt ?? (BEGUN.has(told.state) ? now : null),
    endedAt: ended ? (before?.endedAt ?? now) : null,
    reportedAt: now,
  }
}

/** Names in one statement. */
const NAMES = 500

/** Stores told parts of a job without a scheduler. Answers how many it has now, and whether any of them differs. */
export const storeToldParts = async (
  tx: Transaction,
  attemptId: number,
  told: readonly ToldPart[],
  now: number,
): Promise<{ readonly total: number; readonly changed: boolean }> => {
  const [count] = await tx.all<{ n: number; next: number }>(
    'SELECT COUNT(*) AS n, COALESCE(MAX(position), -1) + 1 AS next FROM telesto_parts WHERE attempt_id = $1',
    [attemptId],
  )
  let total = count?.n ?? 0
  let next = count?.next ?? 0
  let changed = false
  for (let start = 0; start < told.length; start += NAMES) {
    const chunk = told.slice(start, start + NAMES)
    const names = chunk.map(({ name }) => name)
    const known = new Map((await readParts(tx, attemptId, names)).map((part) => [part.name, part]))
    const news = chunk
      .map((part) => withTold(known.get(part.name), part, known.has(part.name) ? 0 : next++, now))
      .filter((part) => differs(known.get(part.name), part))
    if (news.length === 0) continue
    const again = news.filter(({ name }) => known.has(name)).map(({ name }) => name)
    if (again.length > 0) {
      const list = again.map((_, index) => `$${index + 2}`).join(', ')
      await tx.run(`DELETE FROM telesto_parts WHERE attempt_id = $1 AND name IN (${list})`, [attemptId, ...again])
    }
    await insertParts(tx, attemptId, news)
    total += chunk.length - known.size
    changed = true
  }
  if (changed) await countParts(tx, attemptId)
  return { total, changed }
}

const differs = (known: StoredPart | undefined, part: StoredPart): boolean =>
  known === undefined ||
  JSON.stringify(valuesOf({ ...known, reportedAt: 0 })) !== JSON.stringify(valuesOf({ ...part, reportedAt: 0 }))
