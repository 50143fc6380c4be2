import { type Answer, type HandedOver, type JobRef, SchedulerError, type Token } from '../../src/adapter.js'
import { type Place, placeOf } from './place.js'
import type { Remote } from './remote.js'

/** Jobs in one call: some processes are started for each. */
const AT_ONCE = 200

/**
 * Removes the directories that are `<token> TAB <directory>` on standard input, relative to the argument. Telesto's own folder goes last, so that
 * a removal that was cut short can be repeated; the directory of the job goes with its last attempt. What symbolic links lead to stays.
 *
 * Where recover() promised that a token can no longer arrive, the claim that keeps the promise stays, also that of an earlier token of the
 * attempt: its script may be held up anywhere, and go on when all else is gone. What a batch that begins meanwhile writes is not removed
 * behind its back: its folder goes under its lock, or not at all.
 *
 * Sections: `ok TOKEN`, `busy TOKEN`, `not TOKEN` (what is there is not ours), `failed TOKEN` with the words of rm.
 */
const SCRIPT = `\
cd -- "$1" || exit
failed() { say "failed $token"; printf '%s\\n' "$words"; }
gone() {
  job=\${dir%/*}
  case \${job##*/} in *[!0-9]*) ;; *) rmdir -- "$job" 2>/dev/null ;; esac
  say "ok $token"
}
clean() {
  own=$dir/.telesto
  [ -e "$dir" ] || [ -L "$dir" ] || { gone; return; }
  [ -d "$own" ] && [ ! -L "$own" ] && [ ! -L "$dir" ] || {
    if rmdir -- "$dir" 2>/dev/null; then gone; else say "not $token"; fi
    return
  }
  for batch in "$own"/batch-*; do
    [ -d "$batch" ] || continue
    words=$(flock -n -E 75 "$batch/lock" rm -rf -- "$batch" 2>&1)
    case $? in 0) ;; 75) say "busy $token"; return ;; *) failed; return ;; esac
  done
  set --
  for path in "$dir"/* "$dir"/.[!.]* "$dir"/..?*; do
    [ "$path" = "$own" ] || set -- "$@" "$path"
  done
  words=$(rm -rf -- "$@" 2>&1) || { failed; return; }
  promised=
  set --
  for path in "$own"/* "$own"/.[!.]* "$own"/..?*; do
    case \${path##*/} in
      batch-*) ;;
      claim-*) if [ "$(readlink -- "$path")" = absent ]; then promised=1; else set -- "$@" "$path"; fi ;;
      *) set -- "$@" "$path" ;;
    esac
  done
  words=$(rm -rf -- "$@" 2>&1) || { failed; return; }
  if [ -n "$promised" ]; then say "ok $token"; return; fi
  words=$(rmdir -- "$own" "$dir" 2>&1) || { failed; return; }
  gone
}
while IFS=$tab read -r token dir; do clean; done
over 0
`

export const cleanUpOn =
  (remote: Remote) =>
  async (jobs: readonly Pick<JobRef, 'token' | 'workdir'>[], signal: AbortSignal): Promise<Map<Token, Answer>> => {
    const answers = new Map<Token, Answer>()
    const { roots, refused } = byRoot(jobs)
    for (const [token, error] of refused) answers.set(token, error)
    for (const [root, lines] of roots) {
      for (let start = 0; start < lines.length; start += AT_ONCE) {
        const stdin = lines.slice(start, start + AT_ONCE).join('')
        const { sections } = await remote('clean-up', SCRIPT, { args: [root], stdin, signal })
        for (const { title, text } of sections) {
          const [verb, token = ''] = title.split(' ')
          answers.set(token, answerOf(verb ?? '', text.trim()))
        }
      }
    }
    return answers
  }

const answerOf = (verb: string, words: string): Answer => {
  if (verb === 'ok') return 'ok'
  if (verb === 'not')
    return new SchedulerError('rejected', 'What is in the place of its directory was not made for this job, and stays.')
  if (verb === 'busy') return new SchedulerError('unavailable', 'Its batch is still being submitted.')
  return new SchedulerError('unavailable', `The directory of the job cannot be removed: ${words.slice(0, 2000)}`)
}

/** One line for each job, as the scripts read them, by where the scripts begin. */
export const byRoot = (jobs: readonly Pick<HandedOver, 'token' | 'workdir'>[]) => {
  const roots = new Map<Place['root'], string[]>()
  const refused = new Map<Token, SchedulerError>()
  for (const job of jobs) {
    try {
      const { root, relative } = placeOf(job)
      const lines = roots.get(root) ?? []
      roots.set(root, lines)
      lines.push(`${job.token}\t${relative}\n`)
    } catch (error) {
      if (!(error instanceof SchedulerError)) throw error
      refused.set(job.token, error)
    }
  }
  return { roots, refused }
}
