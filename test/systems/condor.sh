#!/usr/bin/env bash
# A personal HTCondor pool (23.9, Debian trixie's binaries) for tests, on loopback, without a chroot, root or namespaces.
#
#   condor.sh install | start | stop | restart | status | env | exec CMD... | logs | clean | remove
#
# Debian 12's glibc (2.36) is too old for trixie's HTCondor, and LD_LIBRARY_PATH cannot help: the old loader does not
# run the new libc, and the variable would leak into jobs. So the .debs are unpacked below $SYSTEMS_ROOT/condor
# and patchelf points every HTCondor binary at the unpacked loader and libraries. Jobs and files are the host's own:
# any directory works, jobs find the host's node, python, ...
#
# HTCondor refuses jobs of root: where root calls, the daemons, the commands in bin/ and the jobs run as CONDOR_USER, and as the
# caller otherwise. Tests run as that account too (account.ts), so that files and commands have one owner.
#
# Settings (environment):
#   SYSTEMS_ROOT         state directory                          ./.systems   (its path is baked in: reinstall after moving it)
#   CONDOR_PORT          shared port of all HTCondor daemons       19718
#   CONDOR_CPUS          CPUs the pool claims to have              8
#   CONDOR_MEMORY_MB     memory the pool claims to have            8192
#   CONDOR_USER          account used when called as root          condor-user
#   CONDOR_DAGMAN_STRICT DAGMAN_USE_STRICT; 1 refuses DAGs in /tmp  1 (0 where SYSTEMS_ROOT lies in /tmp)
#   DEBIAN_MIRROR        mirror                                    the one apt uses here
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/lib.sh"

DIR=$SYSTEMS_ROOT/condor
PORT=${CONDOR_PORT:-19718}
CPUS=${CONDOR_CPUS:-8}
MEMORY=${CONDOR_MEMORY_MB:-8192}
C_USER=${CONDOR_USER:-condor-user}
SUITE=${CONDOR_SUITE:-trixie}
REL=$DIR/release     # patched binaries and libraries
POOL=$DIR/pool       # log, spool, execute
BIN=$DIR/bin         # commands for callers
CONF=$DIR/etc/condor_config
PIDFILE=$DIR/run/master.pid
[ "$(id -u)" = 0 ] || C_USER=$(id -un)
case $SYSTEMS_ROOT/ in /tmp/*) STRICT=0 ;; *) STRICT=1 ;; esac
STRICT=${CONDOR_DAGMAN_STRICT:-$STRICT}

# HTCondor and every library it needs that must match it. Others (libsystemd, libmunge, ...) are optional and dlopened.
PACKAGES=(condor libc6 libstdc++6 libgcc-s1 libgomp1 libssl3t64 zlib1g libzstd1 libpcre2-8-0 libuuid1 libexpat1
  libcom-err2 libgssapi-krb5-2 libk5crypto3 libkrb5-3 libkrb5support0 libkeyutils1
  libcurl4t64 libbrotli1 libnghttp2-14 libnghttp3-9 libidn2-0 libunistring5 libpsl5t64 librtmp1 libssh2-1t64 libldap2 libsasl2-2
  libgnutls30t64 libhogweed6t64 libnettle8t64 libgmp10 libtasn1-6 libp11-kit0 libffi8)

as_user() { # runs a command as the pool's account, with the pool's environment
  local pre=()
  [ "$(id -u)" != 0 ] || pre=(setpriv --reuid "$C_USER" --regid "$(id -g "$C_USER")" --init-groups --)
  env CONDOR_CONFIG="$CONF" PATH="$REL/usr/bin:$REL/usr/sbin:$PATH" HOME="$(getent passwd "$C_USER" | cut -d: -f6)" USER="$C_USER" LOGNAME="$C_USER" "${pre[@]}" "$@"
}

fetch() { # the .debs, through an apt of our own: no root, no change to this machine's apt
  local a=$DIR/apt mirror=${DEBIAN_MIRROR:-$(debian_mirror)} key=/usr/share/keyrings/debian-archive-keyring.gpg
  [ -n "$mirror" ] || exit 1
  [ -r "$key" ] || die "no $key: install debian-archive-keyring"
  mkdir -p "$a/lists/partial" "$a/cache/archives/partial" "$a/debs"
  : > "$a/status"
  echo "deb [signed-by=$key] $mirror $SUITE main" > "$a/sources.list"
  local opt=(-o Dir::State::lists="$a/lists" -o Dir::State::status="$a/status" -o Dir::Cache="$a/cache" -o Dir::Etc::sourcelist="$a/sources.list"
    -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::preferencesparts=/dev/null -o APT::Sandbox::User="$(id -un)" -o Acquire::Languages=none -o Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false)
  log "downloading ${#PACKAGES[@]} packages of $SUITE from $mirror"
  { apt-get "${opt[@]}" update && cd "$a/debs" && apt-get "${opt[@]}" download "${PACKAGES[@]}"; } > "$DIR/apt.log" 2>&1 < /dev/null 9>&- \
    || { tail -8 "$DIR/apt.log" >&2; die "downloading failed (log: $DIR/apt.log)"; }
  cd "$SYSTEMS_ROOT"
  PATCHELF=$(command -v patchelf || true)
  if [ -z "$PATCHELF" ]; then
    mkdir -p "$a/patchelf"
    { (cd "$a/patchelf" && apt-get download patchelf && dpkg-deb -x patchelf_*.deb .) || { apt-get -o DPkg::Lock::Timeout=300 update && (cd "$a/patchelf" && apt-get download patchelf && dpkg-deb -x patchelf_*.deb .); }; } \
      >> "$DIR/apt.log" 2>&1 < /dev/null 9>&- || { tail -5 "$DIR/apt.log" >&2; die "patchelf could not be downloaded: install it"; }
    PATCHELF=$a/patchelf/usr/bin/patchelf
  fi
}
is_elf() { [ "$(head -c 4 "$1" 2>/dev/null | tail -c 3 | tr -d '\0')" = ELF ]; }
unpack() {
  local x=$DIR/apt/x d e l n
  rm -rf "$x" "$REL"; mkdir -p "$x" "$REL/usr/bin" "$REL/usr/sbin" "$REL/usr/libexec" "$REL/usr/lib" "$REL/lib"
  for d in "$DIR"/apt/debs/*.deb; do dpkg-deb -x "$d" "$x"; done
  cp -a "$x"/usr/bin/condor_* "$REL/usr/bin/"
  cp -a "$x"/usr/sbin/condor_* "$REL/usr/sbin/"
  cp -a "$x/usr/libexec/condor" "$REL/usr/libexec/"
  for d in "$x"/usr/lib/x86_64-linux-gnu "$x"/lib/x86_64-linux-gnu "$x"/usr/lib; do
    for l in "$d"/*.so*; do
      [ -f "$l" ] || continue   # a link out of the tree is absolute and dangles; the target is copied by its own name
      n=${l##*/}
      case $n in *python*) continue ;; esac
      [ -e "$REL/lib/$n" ] || cp -L "$l" "$REL/lib/$n"
    done
  done
  for l in "$x/usr/lib64/ld-linux-x86-64.so.2" "$x/lib64/ld-linux-x86-64.so.2" "$x/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"; do
    [ -f "$l" ] && { cp -L "$l" "$REL/lib/ld-linux-x86-64.so.2"; break; }
  done
  [ -x "$REL/lib/ld-linux-x86-64.so.2" ] || die "no dynamic loader in the unpacked packages (only x86-64 is handled)"
  log "patching"
  rm -rf "$REL/usr/libexec/condor/singularity_test_sandbox" "$REL/usr/libexec/condor/condor_pid_ns_init"   # static
  find "$REL/usr" -type f -name '*python*.so' -delete
  while IFS= read -r e; do
    is_elf "$e" || continue
    case $e in *.so*) "$PATCHELF" --force-rpath --set-rpath "$REL/lib" "$e" ;;
      *) "$PATCHELF" --set-interpreter "$REL/lib/ld-linux-x86-64.so.2" --force-rpath --set-rpath "$REL/lib" "$e" ;;
    esac || die "patchelf failed on $e"
  done < <(find "$REL/usr" -type f \( -perm /111 -o -name '*.so*' \))
  for l in "$REL"/lib/*.so*; do
    case $l in */ld-linux-*|*/libc.so.6) ;; *) ! is_elf "$l" || "$PATCHELF" --force-rpath --set-rpath "$REL/lib" "$l" ;; esac
  done
  # Every library of every program must come from our tree.
  local foreign
  foreign=$(for e in "$REL"/usr/bin/condor_* "$REL"/usr/sbin/condor_*; do is_elf "$e" && "$REL/lib/ld-linux-x86-64.so.2" --list "$e" 2>&1; done \
    | grep -E '=>|not found|cannot open' | grep -v "=> $REL/lib/" | grep -v linux-vdso | sed 's/ (0x.*//' | sort -u) || true
  [ -z "$foreign" ] || { echo "$foreign" >&2; die "these libraries are missing from PACKAGES"; }
  rm -rf "$DIR/apt"
}

write_config() {
  mkdir -p "$DIR/etc" "$DIR/run" "$BIN" "$POOL"/{log,spool,execute,lock,run,tokens.d,passwords.d}
  # LOCAL_CONFIG_FILE etc. are not read: this file is the whole configuration.
  cat > "$CONF" <<EOF
RELEASE_DIR = $REL/usr
LOCAL_DIR = $POOL
RUN = \$(LOCAL_DIR)/run
LOG = \$(LOCAL_DIR)/log
SPOOL = \$(LOCAL_DIR)/spool
EXECUTE = \$(LOCAL_DIR)/execute
LOCK = \$(LOCAL_DIR)/lock
BIN = \$(RELEASE_DIR)/bin
SBIN = \$(RELEASE_DIR)/sbin
LIBEXEC = \$(RELEASE_DIR)/libexec/condor
LIB = $REL/lib
SHARE = \$(RELEASE_DIR)/share/condor
ETC = $DIR/etc
SEC_TOKEN_SYSTEM_DIRECTORY = \$(LOCAL_DIR)/tokens.d
SEC_TOKEN_DIRECTORY = \$(LOCAL_DIR)/tokens.d
SEC_PASSWORD_DIRECTORY = \$(LOCAL_DIR)/passwords.d
SEC_TOKEN_POOL_SIGNING_KEY_FILE = \$(LOCAL_DIR)/passwords.d/POOL
TRUST_DOMAIN_CA_CERT = \$(LOCAL_DIR)/run/ca.pem
TRUST_DOMAIN_CA_KEY = \$(LOCAL_DIR)/run/ca.key
use SECURITY : recommended_v9_0
use ROLE : Personal
# --- one machine, loopback only
CONDOR_HOST = 127.0.0.1
COLLECTOR_HOST = 127.0.0.1:$PORT
SHARED_PORT_PORT = $PORT
NETWORK_INTERFACE = 127.0.0.1
BIND_ALL_INTERFACES = False
ENABLE_IPV6 = False
NETWORK_HOSTNAME = localhost
SCHEDD_NAME =
UID_DOMAIN = tests.local
FILESYSTEM_DOMAIN = tests.local
TRUST_UID_DOMAIN = True
# --- a sandbox: no cgroups, no mounts, no preen, no mail
BASE_CGROUP =
MOUNT_UNDER_SCRATCH =
MOUNT_PRIVATE_DEV_SHM = False
PREEN =
MAIL = /bin/true
NUM_CPUS = $CPUS
MEMORY = $MEMORY
RUNBENCHMARKS = 0
STARTD_CRON_JOBLIST =
# --- latency: a trivial job ends 1-3 s after condor_submit (the defaults: 60 s and more)
NEGOTIATOR_INTERVAL = 1
NEGOTIATOR_MIN_INTERVAL = 1
NEGOTIATOR_CYCLE_DELAY = 1
SCHEDD_INTERVAL = 1
SCHEDD_MIN_INTERVAL = 1
SCHEDD_INTERVAL_TIMESLICE = 0.5
UPDATE_INTERVAL = 5
POLLING_INTERVAL = 1
STARTER_UPDATE_INTERVAL = 2
STARTER_INITIAL_UPDATE_INTERVAL = 1
SHADOW_QUEUE_UPDATE_INTERVAL = 2
PERIODIC_EXPR_INTERVAL = 1
PERIODIC_EXPR_TIMESLICE = 0.5
# after a restart, a job that ran before is sought for this long (default 2400 s) and then started anew
JOB_DEFAULT_LEASE_DURATION = 30
JOB_START_DELAY = 0
JOB_START_COUNT = 50
CLAIM_WORKLIFE = 300
CONDOR_FSYNC = False
# --- DAGMan
DAGMAN_USE_STRICT = $STRICT
DAGMAN_USER_LOG_SCAN_INTERVAL = 1
DAGMAN_SUBMIT_DELAY = 0
DAGMAN_PENDING_REPORT_INTERVAL = 10
DAGMAN_MAX_SUBMITS_PER_INTERVAL = 100
# --- history and limits
MAX_HISTORY_LOG = 4000000
MAX_JOBS_SUBMITTED = 20000
MAX_JOBS_PER_OWNER = 20000
MAX_JOBS_PER_SUBMISSION = 20000
SUBMIT_REQUIREMENT_NAMES = MemoryLimit
SUBMIT_REQUIREMENT_MemoryLimit = RequestMemory =?= undefined || RequestMemory <= 524288
SUBMIT_REQUIREMENT_MemoryLimit_REASON = "No job here may have more than 512 GB of memory."
SHUTDOWN_GRACEFUL_TIMEOUT = 10
SHUTDOWN_FAST_TIMEOUT = 5
EOF
  cat > "$BIN/pool-exec" <<EOF
#!/bin/sh
# Runs the HTCondor command this script is called as, or its first argument, with the pool's configuration.
name=\${0##*/}
[ "\$name" != pool-exec ] || { name=\$1; shift; }
export CONDOR_CONFIG='$CONF'
PATH='$REL/usr/bin:$REL/usr/sbin':"\$PATH"
[ "\$(id -u)" != 0 ] || exec setpriv --reuid '$C_USER' --regid '$(id -g "$C_USER")' --init-groups --pdeathsig TERM -- env HOME='$(getent passwd "$C_USER" | cut -d: -f6)' USER='$C_USER' LOGNAME='$C_USER' "\$name" "\$@"
exec "\$name" "\$@"
EOF
  chmod 755 "$BIN/pool-exec"
  local b
  for b in "$REL"/usr/bin/condor_*; do ln -sfn pool-exec "$BIN/${b##*/}"; done
  if [ "$(id -u)" = 0 ]; then chown -R "$C_USER:" "$POOL" "$DIR/run"; fi
}

do_install() {
  take_lock "$DIR"
  ! pid_alive "$PIDFILE" >/dev/null || die "the pool is running: stop it before install"
  if [ "$(id -u)" = 0 ] && ! getent passwd "$C_USER" >/dev/null; then
    useradd -m -s /bin/bash "$C_USER"
    : > "$DIR/.made-user"
  fi
  [ "$C_USER" != root ] || die "HTCondor does not run jobs of root: set CONDOR_USER to an ordinary account"
  if [ "$(cat "$DIR/.installed" 2>/dev/null)" != "$DIR" ]; then fetch; unpack; fi
  write_config
  as_user test -x "$POOL/log" || die "account $C_USER cannot enter $DIR: a parent directory is closed; set SYSTEMS_ROOT elsewhere"
  echo "$DIR" > "$DIR/.installed"
  log "installed: $(as_user condor_version | head -1)"
}
ready() { as_user condor_q -totals && as_user condor_status -af Name | grep -q @; }
ready_or_dead() { ! pid_alive "$PIDFILE" >/dev/null || ready; }
do_start() {
  [ "$(cat "$DIR/.installed" 2>/dev/null)" = "$DIR" ] || do_install
  take_lock "$DIR"
  if pid_alive "$PIDFILE" >/dev/null; then log "already running"; return 0; fi
  ! stop_pool || log "ended what an earlier pool had left behind"
  write_config
  port_must_be_free "$PORT" CONDOR_PORT
  rm -f "$POOL"/log/.*_address "$POOL"/log/.*_classad "$POOL"/spool/.schedd_*
  cd "$POOL"
  # env, setpriv and setsid exec in place, so this pid is condor_master's
  local pre=()
  [ "$(id -u)" != 0 ] || pre=(setpriv --reuid "$C_USER" --regid "$(id -g "$C_USER")" --init-groups --)
  setsid env CONDOR_CONFIG="$CONF" PATH="$REL/usr/bin:$REL/usr/sbin:$PATH" HOME="$(getent passwd "$C_USER" | cut -d: -f6)" USER="$C_USER" LOGNAME="$C_USER" \
    "${pre[@]}" "$REL/usr/sbin/condor_master" -f < /dev/null > "$DIR/run/master.out" 2>&1 9>&- &
  local p=$!
  pid_write "$PIDFILE" "$p" || { cat "$DIR/run/master.out" >&2; die "condor_master did not start"; }
  if ! wait_until 60 "condor_q and condor_status answer" ready_or_dead || ! pid_alive "$PIDFILE" >/dev/null; then
    { cat "$DIR/run/master.out"; tail -6 "$POOL/log/MasterLog"; } >&2 || true
    pid_stop "$PIDFILE" QUIT 10
    die "the pool did not come up (logs: $POOL/log)"
  fi
  log "running: HTCondor on 127.0.0.1:$PORT as $C_USER (pid $p); commands in $BIN"
}
# Processes of this pool: whatever runs a binary of our release tree, and everything below that (the jobs).
pool_pids() {
  local p e
  for p in /proc/[0-9]*; do
    e=$(readlink "$p/exe" 2>/dev/null) || continue
    case $e in "$REL"/usr/sbin/* | "$REL"/usr/libexec/* | "$REL"/usr/bin/condor_dagman*) descendants "${p#/proc/}" ;; esac
  done | sort -un
}
stop_pool() {
  local left
  # condor_master ends its daemons and jobs itself; what outlives it, or a killed master, is ended by pid.
  # shellcheck disable=SC2046
  left=$(with_start $(pool_pids))
  [ -n "$left" ] || { rm -f "$PIDFILE"; return 1; }
  pid_stop "$PIDFILE" QUIT 20
  # shellcheck disable=SC2046
  kill_left "$left $(with_start $(pool_pids))"
}
do_stop() {
  take_lock "$DIR"
  if stop_pool; then log "stopped"; else log "not running"; fi
}
do_status() {
  local p
  p=$(pid_alive "$PIDFILE" 2>/dev/null) || { echo "condor: stopped"; return 3; }
  echo "condor: running (pid $p, 127.0.0.1:$PORT, as $C_USER)"
  as_user condor_status -af:h Name State Activity Cpus Memory && as_user condor_q -allusers -totals | tail -2 || return 4
}
queue_empty() { [ -z "$(as_user condor_q -allusers -af ClusterId)" ]; }
do_clean() {
  as_user condor_rm -all >/dev/null 2>&1 || true
  wait_until 30 "the queue is empty" queue_empty || as_user condor_rm -all -forcex >/dev/null 2>&1 || true
}
do_remove() {
  do_stop
  if [ -e "$DIR/.made-user" ] && [ "$(id -u)" = 0 ] && getent passwd "$C_USER" >/dev/null; then userdel -r "$C_USER" 2>/dev/null || log "account $C_USER stays (in use)"; fi
  rm -rf --one-file-system "$DIR"
  log "removed"
}
case ${1:-} in
  install) do_install ;;
  start) do_start ;;
  stop) do_stop ;;
  restart) do_stop; do_start ;;
  status) do_status ;;
  env)
    [ -e "$DIR/.installed" ] || die "not installed yet"
    printf 'export CONDOR_DIR=%s\nexport CONDOR_USER=%s\nexport PATH=%s\n' "$DIR" "$C_USER" "$BIN:$PATH"
    # for sshd.sh, so that whoever logs in finds the pool
    printf 'export SSHD_USERS=%s\nexport SSHD_PATH=%s\n' "$C_USER" "$BIN" ;;
  exec) shift; [ $# -gt 0 ] || die "exec needs a command"; exec "$BIN/pool-exec" "$@" ;;
  logs) tail -n "${2:-40}" "$POOL"/log/{Master,Sched,Negotiator,Start}Log ;;
  clean) do_clean ;;
  remove) do_remove ;;
  *) sed -n '2,24s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
