import type { JobRef } from '../../src/adapter.js'
import { DAG_FILE, DAG_FOLDER, NODE_STATUS } from './dag-file.js'
import { procsOf } from './native-id.js'
import { placeOf } from './place.js'

/** Names the attempt of which a workflow takes over what it had done. */
export const PREVIOUS_FILE = `${DAG_FOLDER}/previous`

/** One line: the cluster of that attempt's DAGMan, its directory as the scripts have it. Pure. */
export const previousText = (previous: JobRef, current: Pick<JobRef, 'workdir' | 'token'>): string | undefined => {
  const cluster = procsOf(previous.nativeId)?.cluster
  if (cluster === undefined) return undefined
  const [from, to] = [placeOf(previous), placeOf(current)]
  // The record's `directory` was edited since: the workflow begins anew.
  if (from.root !== to.root) return undefined
  return `${cluster}\t${from.relative}\n`
}

/**
 * `take_over DIRECTORY`, for the script that submits: what the attempt named in its PREVIOUS_FILE had done is marked as done, and its
 * files are copied into the directory where none is there. A workflow that had succeeded is begun anew. Fails without a word as long as that
 * attempt is in the queue, or nobody knows: its DAGMan may still write. Where a file cannot be copied it fails with `words`.
 *
 * A link would be quicker, but a node that writes into it would change the results of that attempt. Each file arrives whole or not at
 * all. Copying may take longer than a call: in a session of its own it is not killed with the script, and the lock is held until it is over;
 * the next try finds what was copied.
 *
 * What is done becomes a rescue file. It is read in NODE_STATUS_FILE and not taken from the rescue file of that attempt, which DAGMan
 * does not write when it is removed while it is held, or killed. The FINAL node cannot be done. Lock files are not copied: a DAGMan
 * of a sub-DAG would take them for its own.
 */
export const TAKE_OVER = `\
copy_files() {
  setsid -w find . -path ./.telesto -prune -o -type d -exec sh -c 'for d; do mkdir -p -- "$0/$d" || exit; done' "$1" {} + &&
  setsid -w find . -path ./.telesto -prune -o \\( -type f -o -type l \\) -exec sh -c '
    copy=$0/.telesto/copy
    for f; do
      case $f in *.lock) [ ! -e "\${f%.lock}.condor.sub" ] || continue ;; esac
      [ ! -e "$0/$f" ] && [ ! -L "$0/$f" ] || continue
      cp -pP --reflink=auto --remove-destination -- "$f" "$copy" && mv -- "$copy" "$0/$f" || exit
    done' "$1" {} + &&
  find ${DAG_FOLDER} -name '[0-9]*.[oel]*' -size -2048 -exec sh -c '
    for f; do [ -e "$0/$f" ] || cp -p -- "$f" "$0/$f" || exit; done' "$1" {} +
}
done_nodes() {
  final=$(sed -n 's/^FINAL \\([^ ]*\\) .*/\\1/p' ${DAG_FILE})
  awk '/^ *Node = "/ { node = $0; sub(/^ *Node = "/, "", node); sub(/";$/, "", node) }
    /^ *NodeStatus = 5;/ && node !~ /[%" ]/ { print node }' ${NODE_STATUS} |
    while IFS= read -r node; do
      node=$(printf "$node")
      [ "$node" = "$final" ] || printf 'DONE %s\\n' "$node"
    done
}
take_over() {
  words=
  [ -e "$1/${PREVIOUS_FILE}" ] || return 0
  IFS=$tab read -r cluster old <"$1/${PREVIOUS_FILE}" || return
  queued=$(condor_q -af ClusterId -constraint "ClusterId == $cluster" 2>/dev/null) && [ -z "$queued" ] || return
  [ -d "$old/${DAG_FOLDER}" ] && ! grep -q '^ *DagStatus = 5;' "$old/${NODE_STATUS}" || return 0
  new=$(cd -- "$1" && pwd) || return
  words=$(cd -- "$old" && copy_files "$new" 2>&1 && done_nodes >"$new/${PREVIOUS_FILE}.done") || return
  [ ! -s "$1/${PREVIOUS_FILE}.done" ] || mv -- "$1/${PREVIOUS_FILE}.done" "$1/${DAG_FILE}.rescue001"
  rm -f -- "$1/${PREVIOUS_FILE}" "$1/${PREVIOUS_FILE}.done"
}
`
