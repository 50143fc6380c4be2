import type { JobPart } from '../adapter.js'
import type { Transaction } from '../store/database.js'
import { readParts, type StoredPart } from '../store/history.js'
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
  await insertRows(
    tx,
    'telesto_parts',
    ['attempt_id', ...COLUMNS],
    merged.map((part) => [attemptId, ...valuesOf(part)]),
  )
  return true
}
