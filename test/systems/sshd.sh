#!/usr/bin/env bash
# An sshd of this machine for tests, on loopback. Its log tells of each connection and each login.
#
#   sshd.sh install | start | stop | restart | status | env | drop | log | remove
#
#   drop   ends every open session but keeps the server
#   log    prints what the server has logged since it was installed
#
# Settings (environment):
#   SYSTEMS_ROOT      state directory        ./.systems
#   SSHD_PORT         port on 127.0.0.1      2223
#   SSHD_USERS        accounts that may log in, made where missing       telesto-ssh
#   SSHD_PASSWORD     their password         random, kept in $SYSTEMS_ROOT/sshd/password
#   SSHD_MAX_SESSIONS MaxSessions: channels of one connection            10, which is OpenSSH's default
#   SSHD_PATH         directories that come first on the PATH of a login
#   SSHD_ENV          more of a login's environment: NAME=value NAME=value
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/lib.sh"

DIR=$SYSTEMS_ROOT/sshd
PORT=${SSHD_PORT:-2223}
USERS=${SSHD_USERS:-telesto-ssh}
RUN=$DIR/run
PIDFILE=$RUN/sshd.pid

do_install() {
  need_root
  take_lock "$DIR"
  apt_install openssh-server openssh-client
  mkdir -p "$RUN" "$DIR/keys"
  chmod 755 "$DIR" "$DIR/keys"
  local t
  for t in ed25519 rsa; do
    [ -s "$DIR/host_$t" ] || ssh-keygen -q -t "$t" -N '' -C host -f "$DIR/host_$t"
  done
  for t in ed25519 rsa ecdsa; do
    [ -s "$DIR/id_$t" ] || ssh-keygen -q -t "$t" -N '' -C tests -f "$DIR/id_$t"
  done
  if [ -n "${SSHD_PASSWORD:-}" ]; then (umask 077; echo "$SSHD_PASSWORD" > "$DIR/password"); fi
  [ -s "$DIR/password" ] || (umask 077; random_secret > "$DIR/password")
  cat "$DIR"/id_*.pub > "$DIR/keys/authorized_keys"
  : > "$DIR/.installed"
  log "installed: $(ssh -V 2>&1)"
}
make_accounts() {
  local u
  for u in $USERS; do
    getent passwd "$u" >/dev/null || { useradd -m -s /bin/bash "$u"; echo "$u" >> "$DIR/.made-users"; }
    printf '%s:%s\n' "$u" "$(cat "$DIR/password")" | chpasswd
  done
}
write_config() {
  cat > "$DIR/sshd_config" <<CONFIG
Port $PORT
ListenAddress 127.0.0.1
HostKey $DIR/host_ed25519
HostKey $DIR/host_rsa
PidFile none
AuthorizedKeysFile $DIR/keys/authorized_keys
# the state directory may lie below a group-writable parent
StrictModes no
AllowUsers $USERS
PermitRootLogin no
PasswordAuthentication yes
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
PrintMotd no
LogLevel VERBOSE
MaxStartups 100:30:200
MaxSessions ${SSHD_MAX_SESSIONS:-10}
SetEnv PATH=${SSHD_PATH:+$SSHD_PATH:}/usr/local/bin:/usr/bin:/bin ${SSHD_ENV:-}
Subsystem sftp internal-sftp
CONFIG
}
banner() { local l; { exec 3<>"/dev/tcp/127.0.0.1/$PORT" && read -r -t 2 l <&3; exec 3>&-; } 2>/dev/null; [[ ${l:-} == SSH-2.0* ]]; }
up_or_dead() { ! pid_alive "$PIDFILE" >/dev/null || (banner); }
do_start() {
  need_root
  [ -e "$DIR/.installed" ] && [ -x /usr/sbin/sshd ] || (do_install) || exit 1
  take_lock "$DIR"
  make_accounts
  local p before=''
  if [ -e "$DIR/sshd_config" ]; then before=$(cat "$DIR/sshd_config"); fi
  write_config
  if p=$(pid_alive "$PIDFILE"); then
    [ "$before" != "$(cat "$DIR/sshd_config")" ] || { log "already running"; return 0; }
    /usr/sbin/sshd -t -f "$DIR/sshd_config" || die "sshd rejects $DIR/sshd_config"
    kill -HUP "$p"   # open sessions go on
    wait_until 10 "sshd on 127.0.0.1:$PORT" banner || die "sshd did not come back (log: $DIR/sshd.log)"
    log "running with other settings: ssh on 127.0.0.1:$PORT (pid $p) for $USERS"
    return 0
  fi
  port_must_be_free "$PORT" SSHD_PORT
  mkdir -p /run/sshd   # sshd's empty directory for privilege separation, compiled in
  /usr/sbin/sshd -t -f "$DIR/sshd_config" || die "sshd rejects $DIR/sshd_config"
  setsid /usr/sbin/sshd -D -e -f "$DIR/sshd_config" < /dev/null >> "$DIR/sshd.log" 2>&1 9>&- &
  pid_write "$PIDFILE" $! || { tail -5 "$DIR/sshd.log" >&2; die "sshd did not start"; }
  if ! wait_until 10 "sshd on 127.0.0.1:$PORT" up_or_dead || ! pid_alive "$PIDFILE" >/dev/null; then
    tail -5 "$DIR/sshd.log" >&2
    pid_stop "$PIDFILE" TERM 5
    die "sshd did not come up (log: $DIR/sshd.log)"
  fi
  log "running: ssh on 127.0.0.1:$PORT (pid $(pid_alive "$PIDFILE")) for $USERS"
}
below() { # prints the pids of all descendants
  local k
  for k in $(cat "/proc/$1/task/$1/children" 2>/dev/null); do echo "$k"; below "$k"; done
}
do_drop() { # session processes are children of the server; commands without a terminal live on, as with any sshd
  local p k
  p=$(pid_alive "$PIDFILE") || return 0
  for k in $(cat "/proc/$p/task/$p/children"); do kill -TERM "$k" 2>/dev/null || true; done
}
do_stop() {
  need_root
  take_lock "$DIR"
  local p k
  p=$(pid_alive "$PIDFILE") || { rm -f "$PIDFILE"; log "not running"; return 0; }
  local -A started=()
  for k in $(below "$p"); do started[$k]=$(proc_start "$k" || true); done
  pid_stop "$PIDFILE" TERM 5
  for k in "${!started[@]}"; do   # open sessions and their commands
    [ "$(proc_start "$k" || true)" != "${started[$k]}" ] || kill -KILL "$k" 2>/dev/null || true
  done
  log "stopped"
}
do_remove() {
  do_stop
  local u
  for u in $(cat "$DIR/.made-users" 2>/dev/null); do userdel -r "$u" 2>/dev/null || log "account $u stays (in use)"; done
  rm -rf --one-file-system "$DIR"
  log "removed $DIR (the package stays)"
}
case ${1:-} in
  install) do_install ;;
  start) do_start ;;
  stop) do_stop ;;
  restart) do_stop; do_start ;;
  status)
    p=$(pid_alive "$PIDFILE" 2>/dev/null) || { echo "sshd: stopped"; exit 3; }
    (banner) || { echo "sshd: pid $p runs but does not answer"; exit 4; }
    echo "sshd: running (pid $p, 127.0.0.1:$PORT, users: $USERS)" ;;
  env)
    [ -s "$DIR/host_ed25519.pub" ] || die "not installed yet"
    printf 'export %s=%s\n' SSHD_DIR "$DIR" SSHD_PORT "$PORT" SSHD_USER "${USERS%% *}" SSHD_KEY "$DIR/id_ed25519" \
      SSHD_PASSWORD_FILE "$DIR/password" SSHD_LOG "$DIR/sshd.log" \
      SSHD_HOST_KEY "$(ssh-keygen -lf "$DIR/host_ed25519.pub" | cut -d' ' -f2)" ;;
  drop) do_drop ;;
  log) cat "$DIR/sshd.log" ;;
  remove) do_remove ;;
  *) sed -n '2,18s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
