#!/usr/bin/env bash
# A PostgreSQL for tests, on loopback.
#
#   postgres.sh install | start | stop | kill | restart | status | env | psql ARGS... | clean | remove
#
# Settings (environment):
#   SYSTEMS_ROOT       state directory                        ./.systems
#   POSTGRES_PORT      port on 127.0.0.1                      a free one, kept in $SYSTEMS_ROOT/postgres/port
#   POSTGRES_DURABLE   1: what was committed survives a power cut, as a crash or a measurement needs it
#   POSTGRES_USER      superuser of the cluster               tests
#   POSTGRES_DB        database                               tests
#   POSTGRES_PASSWORD  password                               random, kept in $SYSTEMS_ROOT/postgres/password
#   POSTGRES_BIN       directory of initdb and postgres       the newest /usr/lib/postgresql/*/bin
#   POSTGRES_RUN_AS    account the server runs under as root  postgres
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/lib.sh"

DIR=$SYSTEMS_ROOT/postgres
P_USER=${POSTGRES_USER:-tests}
P_DB=${POSTGRES_DB:-tests}
RUN_AS=${POSTGRES_RUN_AS:-postgres}
DATA=$DIR/data
PIDFILE=$DIR/run/postgres.pid
if [ -n "${POSTGRES_PORT:-}" ]; then PORT=$POSTGRES_PORT
elif [ -s "$DIR/port" ]; then PORT=$(cat "$DIR/port")
else PORT=''; fi

find_bin() {
  local d
  if [ -n "${POSTGRES_BIN:-}" ]; then echo "$POSTGRES_BIN"; return; fi
  d=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1) || true
  [ -n "$d" ] && [ -x "$d/initdb" ] && [ -x "$d/postgres" ] && echo "$d"
}
as_server() { # the server refuses to run as root
  if [ "$(id -u)" = 0 ]; then setpriv --reuid "$RUN_AS" --regid "$RUN_AS" --init-groups -- "$@"; else "$@"; fi
}
psql_() { PGPASSWORD=$(cat "$DIR/password") "$BIN/psql" -h 127.0.0.1 -p "$PORT" -U "$P_USER" "$@"; }
answers() { psql_ -d postgres -qAtc 'select 1'; }
up_or_dead() { ! pid_alive "$PIDFILE" >/dev/null || answers; }

of_cluster() { # prints the pids of all processes of the cluster: each works in its directory
  local d
  for d in /proc/[0-9]*; do [ ! "$d/cwd" -ef "$DATA" ] || echo "${d#/proc/}"; done
}
cluster_gone() { [ -z "$(of_cluster)" ]; }
kill_all() { local p; for p in "$@"; do kill -KILL "$p" 2>/dev/null || true; done; }
# Those that a killed postmaster leaves behind end by themselves; a second server beside them would spoil the data.
cluster_ends() {
  wait_until 20 "the processes that a killed server left" cluster_gone && return
  kill_all $(of_cluster)
  wait_until 20 "the processes that were killed" cluster_gone || die "processes of $DATA do not die: $(of_cluster | tr '\n' ' ')"
}

do_install() {
  take_lock "$DIR"
  if ! BIN=$(find_bin); then
    need_root
    # Debian would make and start a cluster of its own otherwise.
    if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
      mkdir -p /etc/postgresql-common
      echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf
    fi
    apt_install postgresql
    BIN=$(find_bin) || die "no initdb below /usr/lib/postgresql after installing; set POSTGRES_BIN"
  fi
  [ "$(id -u)" != 0 ] || getent passwd "$RUN_AS" >/dev/null || die "no account '$RUN_AS' to run the server under; set POSTGRES_RUN_AS"
  mkdir -p "$DIR/run"
  [ "$(id -u)" != 0 ] || as_server test -x "$DIR" || die "account $RUN_AS cannot enter $DIR: a parent directory is closed; set SYSTEMS_ROOT elsewhere"
  if [ -n "${POSTGRES_PASSWORD:-}" ]; then (umask 077; echo "$POSTGRES_PASSWORD" > "$DIR/password"); fi
  [ -s "$DIR/password" ] || (umask 077; random_secret > "$DIR/password")
  if [ ! -e "$DATA/.ready" ]; then
    rm -rf "$DATA"; mkdir -p "$DATA"
    [ "$(id -u)" != 0 ] || chown "$RUN_AS:$RUN_AS" "$DATA" "$DIR/run"
    # The server's account cannot read our copy of the password.
    cp "$DIR/password" "$DIR/run/pw" && chmod 600 "$DIR/run/pw"
    [ "$(id -u)" != 0 ] || chown "$RUN_AS" "$DIR/run/pw"
    as_server "$BIN/initdb" -D "$DATA" -U "$P_USER" --auth=scram-sha-256 --pwfile="$DIR/run/pw" -E UTF8 --locale=C.UTF-8 --no-sync \
      < /dev/null > "$DIR/initdb.log" 2>&1 9>&- || { rm -f "$DIR/run/pw"; tail -5 "$DIR/initdb.log" >&2; die "initdb failed (log: $DIR/initdb.log)"; }
    rm -f "$DIR/run/pw"
    as_server touch "$DATA/.ready"
  fi
  log "installed: $("$BIN/postgres" --version)"
}
do_start() {
  BIN=$(find_bin) && [ -e "$DATA/.ready" ] || do_install
  take_lock "$DIR"
  if pid_alive "$PIDFILE" >/dev/null; then log "already running"; return 0; fi
  if [ -z "$PORT" ]; then
    PORT=$(free_port)
    echo "$PORT" > "$DIR/port"
  fi
  port_must_be_free "$PORT" POSTGRES_PORT
  cluster_ends
  rm -f "$DATA/postmaster.pid"   # left by a kill; the port is free and none of the processes is left
  cd /
  : > "$DIR/postgres.log"
  [ "$(id -u)" != 0 ] || chown "$RUN_AS" "$DIR/postgres.log"
  # setpriv execs the server, so this pid is the postmaster's
  local cmd=("$BIN/postgres" -D "$DATA" -p "$PORT" -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
    -c max_connections=200 -c shared_buffers=64MB -c logging_collector=off)
  [ "${POSTGRES_DURABLE:-0}" = 1 ] || cmd+=(-c fsync=off -c synchronous_commit=off -c full_page_writes=off)
  [ "$(id -u)" != 0 ] || cmd=(setpriv --reuid "$RUN_AS" --regid "$RUN_AS" --init-groups -- "${cmd[@]}")
  setsid "${cmd[@]}" < /dev/null >> "$DIR/postgres.log" 2>&1 9>&- &
  local p=$!
  pid_write "$PIDFILE" "$p" || { tail -5 "$DIR/postgres.log" >&2; die "postgres did not start"; }
  if ! wait_until 30 "postgres on 127.0.0.1:$PORT" up_or_dead || ! pid_alive "$PIDFILE" >/dev/null; then
    tail -8 "$DIR/postgres.log" >&2
    pid_stop "$PIDFILE" INT 10
    die "postgres did not come up (log: $DIR/postgres.log)"
  fi
  [ -n "$(psql_ -d postgres -qAtc "select 1 from pg_database where datname = '$P_DB'")" ] || psql_ -d postgres -qc "create database \"$P_DB\""
  log "running: postgres://$P_USER@127.0.0.1:$PORT/$P_DB (pid $p)"
}
do_stop() {
  take_lock "$DIR"
  pid_alive "$PIDFILE" >/dev/null || { rm -f "$PIDFILE"; log "not running"; return 0; }
  pid_stop "$PIDFILE" INT 20   # fast shutdown
  log "stopped"
}
do_kill() { # as a power cut would, in the middle of whatever each of its processes does
  local p
  take_lock "$DIR"
  # The postmaster first: it would take the death of another for a crash, and put things in order.
  if p=$(pid_alive "$PIDFILE"); then kill_all "$p" $(of_cluster); fi
  pid_stop "$PIDFILE" KILL 20
  cluster_ends
  log "killed"
}
do_status() {
  local p
  p=$(pid_alive "$PIDFILE" 2>/dev/null) || { echo "postgres: stopped"; return 3; }
  BIN=$(find_bin) && answers >/dev/null 2>&1 || { echo "postgres: pid $p runs but does not answer"; return 4; }
  echo "postgres: running (pid $p, 127.0.0.1:$PORT, $(psql_ -d postgres -qAtc 'show server_version'))"
}
do_clean() { # an empty database again
  psql_ -d postgres -qc "drop database if exists \"$P_DB\" with (force)" -c "create database \"$P_DB\""
}
case ${1:-} in
  install) do_install ;;
  start) do_start ;;
  stop) do_stop ;;
  kill) do_kill ;;
  restart) do_stop; do_start ;;
  status) do_status ;;
  env)
    [ -s "$DIR/password" ] || die "not installed yet"
    printf 'export TELESTO_TEST_DATABASE=postgres://%s:%s@127.0.0.1:%s/%s\n' "$P_USER" "$(cat "$DIR/password")" "$PORT" "$P_DB" ;;
  psql) shift; BIN=$(find_bin); psql_ -d "$P_DB" "$@" ;;
  clean) BIN=$(find_bin); do_clean ;;
  remove) do_stop; rm -rf --one-file-system "$DIR"; log "removed $DIR (the package stays)" ;;
  *) sed -n '2,16s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
