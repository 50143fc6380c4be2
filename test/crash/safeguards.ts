/** A place in the compiled library, and what stands there without the safeguard. */
export interface Replacement {
  readonly file: string
  readonly text: string
  readonly by: string
}

/** What keeps jobs from being lost or doubled, one at a time, and how the library looks without it. */
export const SAFEGUARDS: Readonly<Record<string, readonly Replacement[]>> = {
  // Attempts of unknown fate are submitted again, and nobody asks what became of them.
  recover: [
    {
      file: 'src/engine/orders.js',
      text: '[job, recovered(found.get(job.token))]',
      by: "[job, recovered('absent')]",
    },
  ],
  // Whatever was read long ago is written.
  'compare-and-set': [
    {
      file: 'src/store/transition.js',
      text: `const VERSION = ['id', 'status_version', 'COALESCE(attempt_id, 0)']`,
      by: `const VERSION = ['id']`,
    },
  ],
  // That an attempt was handed over is stored with its answer, and not before the call.
  'the hand-over mark': [
    {
      file: 'src/engine/submit.js',
      text: 'SET handed_over_at = $1, live = 1,',
      by: 'SET',
    },
    { file: 'src/engine/fates.js', text: 'current.handedOverAt !== null &&', by: '' },
    {
      file: 'src/engine/fates.js',
      text: 'nativeId,\n        live: 1,',
      by: 'nativeId,\n        handedOverAt: now,\n        live: 1,',
    },
  ],
  // What nobody wants any more is forgotten, and runs on.
  'cancelling strays': [
    {
      file: 'src/engine/orders.js',
      text: 'const cancelled = await inChunks(work, refs, scheduler.cancel.bind(scheduler), checkedAnswers);',
      by: "const cancelled = new Map(refs.map(({ token }) => [token, 'ok']));",
    },
    {
      file: 'src/engine/orders.js',
      text: 'const reports = await inChunks(work, refs, scheduler.status.bind(scheduler), checkedReports);',
      by: "const reports = new Map(refs.map(({ token }) => [token, { state: 'cancelled' }]));",
    },
  ],
}

/** The same of the adapter `condor`, whose jobs are handed over by a script that outlives the server and its connection. */
export const CONDOR_SAFEGUARDS: Readonly<Record<string, readonly Replacement[]>> = {
  // Who finds no claim promises that nothing can arrive any more, and takes no claim that would keep the promise.
  'the claim of a token': [
    {
      file: 'adapters/condor/recover.js',
      text: 'if ln -sn absent "$own/claim-$token" 2>/dev/null; then',
      by: 'if [ ! -L "$own/claim-$token" ]; then',
    },
  ],
  // The queue is asked while a batch is still being handed over.
  'the lock of a batch': [
    {
      file: 'adapters/condor/recover.js',
      text: 'if [ -e "$batch/lock" ]; then flock -n "$batch/lock" true || continue; fi',
      by: '',
    },
  ],
}

/** The text without the safeguard. Throws where what is to be replaced is not there exactly once: it moved, and so must this. */
export const without = (source: string, { file, text, by }: Replacement): string => {
  const times = source.split(text).length - 1
  if (times === 1) return source.replace(text, () => by)
  throw new Error(`${file} has ${times} times, not once: ${text}`)
}
