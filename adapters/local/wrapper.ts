import { quote, quoteAll } from '../../src/transport/quote.js'

export interface WrapperOptions {
  readonly folder: string
  readonly boot: string
  readonly how: 'proc' | 'ps'
  readonly command: readonly [string, ...string[]]
  readonly env: Readonly<Record<string, string>>
}

/**
 * The script that runs one job and outlives the server: POSIX sh and ln are enough. Started as the leader of a session
 * of its own.
 *
 * It claims the token first; whoever loses runs nothing. It records what became of the command, then ends whatever the
 * command left behind in its group, as batch systems do: a job that has ended writes nothing more.
 *
 * The command runs in the foreground on purpose. A shell starts background commands with SIGINT and SIGQUIT ignored,
 * which the command could never undo; and it holds its own traps back until a foreground command has ended, which is
 * what makes it survive a signal to the group and still tell the exit code.
 *
 * Throws as `quote` does.
 */
export const wrapperScript = ({ folder, boot, how, command, env }: WrapperOptions): string =>
  [
    '#!/bin/sh',
    'telesto_run() {',
    ...Object.entries(env).map(([name, value]) => `export ${name}=${quote(value)}`),
    `exec ${quoteAll(command)}`,
    '}',
    `folder=${quote(folder)}`,
    `boot=${quote(boot)}`,
    `how=${quote(how)}`,
    BODY,
  ].join('\n')

const BODY = `\
PATH=\${PATH:-/usr/local/bin:/usr/bin:/bin}
exec </dev/null >/dev/null 2>>"$folder/wrapper.log"

# A handler, not "ignore": ignored signals would be inherited by the command, handlers are not.
asked=0
trap : HUP INT QUIT PIPE ALRM USR1 USR2
trap asked=1 TERM

case $how in
proc) read -r stat <"/proc/$$/stat" && set -- \${stat##*) } && start=\${20-} ;;
ps) set -- $(LC_ALL=C TZ=UTC0 ps -o lstart= -p $$) && start=\${1-}_\${2-}_\${3-}_\${4-}_\${5-} ;;
esac
[ -n "\${start-}" ] || { echo 'This process cannot find out when it was started.' >&2; exit 70; }
: >>"$folder/stdout" >>"$folder/stderr"

# From here on this process, and no other ever, runs the token.
ln -s "$boot:$$:$start" "$folder/claim" || exit 71

code=143 seen=1
if [ $asked = 0 ] && [ ! -L "$folder/cancel" ]; then
  (telesto_run) >>"$folder/stdout" 2>>"$folder/stderr"
  code=$? seen=$asked
fi

# It may take a while until there is room for the link; until then the job counts as running.
tries=0
until ln -s "exit:$code:$seen" "$folder/exit"; do
  [ -d "$folder" ] && [ ! -L "$folder/exit" ] && [ $tries -lt 600 ] || break
  tries=$((tries + 1))
  sleep 1
done
kill -KILL 0
`
