import { TAKE_OVER } from './take-over.js'

/**
 * Hands one batch over. Arguments: the directory that all paths are relative to, the directory of the batch, its id, the
 * seconds after which no other part of it is tried, how many procs its jobs have, and how many bytes come on standard input: the archive with
 * everything. (Where a connection breaks, its beginning may arrive alone, which tar takes for the whole.)
 *
 *     <workdir>/…                        the files of each job
 *     <workdir>/.telesto/claim-<token>   a symbolic link whose text is the directory of the batch
 *     <batch>/jobs                       `<token> TAB <workdir>` for each job
 *     <batch>/<n>.sub, <n>.items         a group: its submit file, and one line for each job
 *     <batch>/dags, <token>.dag          `<token> TAB <workdir>` for each workflow, and the arguments of its condor_submit_dag
 *
 * Whoever makes the claim of a token decides about it: this batch, or a recover() that gives it up. Nothing is written into the
 * directory of an attempt whose claim another has. While this script or a condor_submit of its lives, the lock of the batch is held, because
 * they inherit its descriptor. Sections of the answer: `unpack` (the files could not be written, nothing was tried), `lost TOKEN`,
 * `refused TOKEN` with condor_submit's words, `uncopied TOKEN` with those of cp, `away` with the words of an outage, `late` with tokens for which there was no time, `procs` with
 * `<token> <cluster> <proc>` for each proc that was submitted.
 */
export const SUBMIT_SCRIPT = `\
${TAKE_OVER}set -f
root=$1 batch=$2 id=$3 until=$(($(date +%s) + $4)) procs=$5 size=$6
cd -- "$root" || exit
failed() { rm -rf -- "$batch"; say unpack; printf '%s\\n' "$1"; over 1; }
known_already() { case " $skip " in *[!A-Za-z0-9_-]"$1"[!A-Za-z0-9_-]*) return 0 ;; esac; return 1; }
# A clean-up may remove an empty directory while it is being made, or what was made before it was locked.
tries=0
until words=$(mkdir -p -- "$batch" 2>&1); do
  tries=$((tries + 1))
  [ "$tries" -lt 10 ] || failed "$words"
done
command exec 9>"$batch/lock" && flock 9 && [ "$batch/lock" -ef /dev/fd/9 ] || failed 'They were removed while they were written.'
words=$(cat 2>&1 >"$batch/archive") || failed "$words"
[ "$(wc -c <"$batch/archive")" -eq "$size" ] || failed 'They did not arrive as a whole.'

# An existing file is never replaced (-k), which makes a link that could be made a claim that was got.
skip=
: >"$batch/lost"
words=$(tar -x -k -o -f "$batch/archive" --wildcards --wildcards-match-slash '*/.telesto/claim-*' '*/.telesto/batch-*' 2>&1) || {
  others=$(printf '%s\\n' "$words" | grep -v -e 'File exists' -e 'Exiting with failure status')
  [ -z "$others" ] || failed "$others"
  while IFS=$tab read -r token dir; do
    [ "$(readlink -- "$dir/.telesto/claim-$token")" = "$batch" ] && continue
    skip="$skip $token"
    say "lost $token"
    printf '%s\\n' "$dir" >>"$batch/lost"
  done <"$batch/jobs"
}
# What an earlier try left is replaced: it may be a part. What fills the disk goes.
words=$(tar -x -o -f "$batch/archive" --exclude '*/.telesto/claim-*' --exclude '*/.telesto/batch-*' --anchored --no-wildcards -X "$batch/lost" 2>&1) || {
  while IFS=$tab read -r token dir; do
    known_already "$token" || find "$dir" '(' -path '*/.telesto/claim-*' -o -path '*/.telesto/batch-*' ')' -prune -o ! -type d -exec rm -f -- {} +
  done <"$batch/jobs"
  failed "$words"
}
rm -f -- "$batch/archive"

drop_known() {
  if [ -z "$skip" ]; then cat; return; fi
  while IFS= read -r line; do known_already "\${line%%,*}" || printf '%s\\n' "$line"; done
}
# The procs of the batch in the queue, and where fewer than so many are there, in the newest of the history: a slot that is free
# runs a short job at once.
look() {
  wanted=$1
  set -- -af TelestoToken ClusterId ProcId -constraint "TelestoBatch == \\"$id\\""
  seen=$(condor_q "$@") || return
  printf '%s\\n' "$seen"
  [ "$(printf '%s\\n' "$seen" | grep -c .)" -ge "$wanted" ] || condor_history "$@" -scanlimit 5000 || :
}
stop=
# What a failed condor_submit has submitted all the same is not submitted again. Succeeds where the rest may be tried.
after_failure() {
  found=$(look "$procs" 2>/dev/null) || stop=away
  skip="$skip "$(printf '%s\\n' "$found" | sed 's/ .*//')
  case $words in *'Failed to connect'* | *"Can't find address"* | *SECMAN:* | *AUTHENTICATE:* | *CEDAR:*) stop=away ;; esac
  [ -z "$stop" ] || { say away; printf '%s\\n' "$words"; return 1; }
}
may_go_on() {
  [ -z "$stop" ] || return 1
  [ "$(date +%s)" -lt "$until" ] || { stop=late; return 1; }
}
# Of what an outage stopped, nobody knows.
untried() { [ "$stop" = away ] || { say late; printf '%s\\n' "$1" | sed 's/,.*//'; }; }
# hand GROUP FROM TO: these jobs. Where condor_submit refuses them, each half alone: it then takes none, and does not say whose fault it is.
hand() {
  lines=$(sed -n "$2,$3p" "$batch/$1.items" | drop_known)
  [ -n "$lines" ] || return 0
  may_go_on || { untried "$lines"; return 0; }
  words=$(printf '%s\\n' "$lines" | condor_submit -terse "$batch/$1.sub" 2>&1 >/dev/null) && return 0
  after_failure || return 0
  if [ "$2" -lt "$3" ]; then
    hand "$1" "$2" $((($2 + $3) / 2))
    hand "$1" $((($2 + $3) / 2 + 1)) "$3"
  elif ! known_already "\${lines%%,*}"; then
    say "refused \${lines%%,*}"
    printf '%s\\n' "$words"
  fi
}
group=0
while [ -e "$batch/$group.sub" ]; do
  hand "$group" 1 "$(wc -l <"$batch/$group.items")"
  group=$((group + 1))
done
[ ! -e "$batch/dags" ] || while IFS=$tab read -r token dir <&8; do
  ! known_already "$token" || continue
  may_go_on || { untried "$token"; continue; }
  take_over "$dir" || {
    if [ -n "$words" ]; then say "uncopied $token"; printf '%s\\n' "$words"; else say "lost $token"; fi
    continue
  }
  words=$(tr '\\n' '\\0' <"$batch/$token.dag" | (cd -- "$dir" && xargs -0 condor_submit_dag) 2>&1 >/dev/null) && continue
  after_failure || break
  known_already "$token" || { say "refused $token"; printf '%s\\n' "$words"; }
done 8<"$batch/dags"

say procs
look "$procs"
code=$?
rm -rf -- "$batch"
over $code
`
