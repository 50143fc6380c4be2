import type { HandedOver, NativeId, Token } from '../../src/adapter.js'
import { byRoot } from './clean-up.js'
import { idsOf } from './native-id.js'
import { procsIn, withTokens } from './queue.js'
import { type Remote, sectionOf } from './remote.js'
import { notAsked } from './words.js'

/** Attempts in one call: some processes are started for each. */
const AT_ONCE = 200

/**
 * Takes the claims of attempts, `<token> TAB <directory>` on standard input, relative to the first argument; where a batch has a claim,
 * asks whether the batch is over, and only then, by the second argument, what the queue and the history know. (A condor_submit that
 * still ran would hold the lock; what it had handed over, the schedd has taken before it answers anybody else.) Sections: `absent TOKEN`,
 * `free TOKEN` (its batch is over) with what the log of events tells, `queue` and `history`.
 */
const SCRIPT = `\
set -f
cd -- "$1" || exit
free=
while IFS=$tab read -r token dir; do
  own=$dir/.telesto
  (umask 077; mkdir -p -- "$own") 2>/dev/null || continue
  if ln -sn absent "$own/claim-$token" 2>/dev/null; then say "absent $token"; continue; fi
  batch=$(readlink -- "$own/claim-$token") || continue
  if [ "$batch" = absent ]; then say "absent $token"; continue; fi
  if [ -e "$batch/lock" ]; then flock -n "$batch/lock" true || continue; fi
  free=1
  say "free $token"
  [ ! -e "$own/events.log" ] || sed -n "s/^000 (0*\\([0-9][0-9]*\\)\\.0*\\([0-9][0-9]*\\)\\..*/$token \\1 \\2/p" "$own/events.log"
done
[ -n "$free" ] || over 0
say queue
condor_q -af TelestoToken ClusterId ProcId -constraint "$2" || over $?
say history
condor_history -af TelestoToken ClusterId ProcId -constraint "$2"
over $?
`

export const recoverOn =
  (remote: Remote) =>
  async (attempts: readonly HandedOver[], signal: AbortSignal): Promise<Map<Token, NativeId | 'absent'>> => {
    const found = new Map<Token, NativeId | 'absent'>()
    for (const [root, lines] of byRoot(attempts).roots) {
      for (let start = 0; start < lines.length; start += AT_ONCE) {
        const chunk = lines.slice(start, start + AT_ONCE)
        const constraint = withTokens(chunk.map((line) => line.split('\t')[0] ?? ''))
        const told = await remote('recover', SCRIPT, { args: [root, constraint], stdin: chunk.join(''), signal })
        if (told.code !== 0) throw notAsked('What became of the jobs', told.stderr)
        // Some procs may have left the queue, and the history too: each of them says a part, all of them the whole job.
        const free = told.sections.filter(({ title }) => title.startsWith('free '))
        const texts = [sectionOf(told, 'queue'), sectionOf(told, 'history'), ...free.map(({ text }) => text)]
        const ids = idsOf(texts.flatMap(procsIn))
        for (const { title } of told.sections) {
          const [verb, token = ''] = title.split(' ')
          if (verb === 'absent') found.set(token, 'absent')
          if (verb === 'free') found.set(token, ids.get(token) ?? 'absent')
        }
      }
    }
    return found
  }
