# shellcheck shell=bash
# What the scripts of the systems share; sourced, not run.
# Every system keeps all of its state below $SYSTEMS_ROOT/<name> (default ./.systems).

SYSTEMS_ROOT=${SYSTEMS_ROOT:-$PWD/.systems}
case $SYSTEMS_ROOT in *[[:space:]]*) echo "SYSTEMS_ROOT must not contain white space (HTCondor's and Slurm's configuration files cannot quote it): $SYSTEMS_ROOT" >&2; exit 1 ;; esac
mkdir -p "$SYSTEMS_ROOT" || { echo "cannot create SYSTEMS_ROOT=$SYSTEMS_ROOT" >&2; exit 1; }
SYSTEMS_ROOT=$(cd "$SYSTEMS_ROOT" && pwd -P)
SELF=$(basename "$0" .sh)

log() { printf '%s: %s\n' "$SELF" "$*" >&2; }
die() { printf '%s: ERROR: %s\n' "$SELF" "$*" >&2; exit 1; }

need_root() { [ "$(id -u)" = 0 ] || die "must run as root (it installs packages and starts daemons under other users)"; }

# One operation at a time per system. The lock fd must not leak into daemons: start them with 9>&-.
take_lock() { # take_lock DIR
  mkdir -p "$1"
  exec 9>"$1/.lock"
  flock -w "${LOCK_TIMEOUT:-300}" 9 || die "another '$SELF' operation holds $1/.lock"
}

# --- processes: a pid file holds "pid starttime", so that a reused pid is never signalled -------------
proc_start() { # proc_start PID -> start time in ticks since boot (field 22; the command name may hold spaces)
  local s
  { read -r s < "/proc/$1/stat"; } 2>/dev/null || return 1
  s=${s##*) }
  # shellcheck disable=SC2086
  set -- $s
  [ "$1" != Z ] || return 1
  echo "${20}"
}
pid_write() { # pid_write FILE PID
  local t
  t=$(proc_start "$2") || return 1
  echo "$2 $t" > "$1.tmp" && mv "$1.tmp" "$1"
}
pid_alive() { # pid_alive FILE -> prints the pid when the very process recorded there still runs
  local p t
  [ -s "$1" ] || return 1
  read -r p t < "$1" || return 1
  [ "$(proc_start "$p" 2>/dev/null)" = "$t" ] || return 1
  echo "$p"
}
pid_stop() { # pid_stop FILE SIGNAL SECONDS [HARD_SIGNAL] : signal, wait, then SIGKILL; removes FILE
  local p n=0 limit=$(( $3 * 10 ))
  if p=$(pid_alive "$1"); then
    kill "-$2" "$p" 2>/dev/null || true
    while pid_alive "$1" >/dev/null && [ "$n" -lt "$limit" ]; do sleep 0.1; n=$((n + 1)); done
    if pid_alive "$1" >/dev/null; then
      log "pid $p ignored SIG$2 for $3 s: SIGKILL"
      kill -KILL "$p" 2>/dev/null || true
      n=0
      while pid_alive "$1" >/dev/null && [ "$n" -lt 50 ]; do sleep 0.1; n=$((n + 1)); done
      pid_alive "$1" >/dev/null && die "pid $p does not die"
    fi
  fi
  rm -f "$1"
}

descendants() { # descendants PID : it and every process below it
  local k
  echo "$1"
  for k in $(cat /proc/"$1"/task/*/children 2>/dev/null); do descendants "$k"; done
}
with_start() { local k t; for k in "$@"; do t=$(proc_start "$k" 2>/dev/null) && echo "$k:$t"; done; true; }
kill_left() { # kill_left "PID:START ..." : gives a list made by with_start 1 s to end, then SIGKILLs what is left of it
  local k n
  for n in 1 2 3 4 5 6 7 8 9 10; do
    for k in $1; do [ "$(proc_start "${k%%:*}" 2>/dev/null)" != "${k#*:}" ] || { sleep 0.1; continue 2; }; done
    return 0
  done
  for k in $1; do
    if [ "$(proc_start "${k%%:*}" 2>/dev/null)" = "${k#*:}" ]; then kill -KILL "${k%%:*}" 2>/dev/null || true; fi
  done
}

# --- ports ---------------------------------------------------------------------------------------
port_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
free_port() { # a port on loopback that nobody uses just now
  local p
  while p=$((20000 + RANDOM % 20000)); port_open "$p"; do :; done
  echo "$p"
}
port_must_be_free() { # port_must_be_free PORT VARIABLE
  ! port_open "$1" || die "port 127.0.0.1:$1 is already in use by something else; set $2 to another port"
}
wait_until() { # wait_until SECONDS MESSAGE COMMAND... (polls every 0.1 s)
  local n=0 limit=$(( $1 * 10 )) msg=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    n=$((n + 1))
    [ "$n" -lt "$limit" ] || { log "gave up waiting: $msg"; return 1; }
    sleep 0.1
  done
}

# --- packages ------------------------------------------------------------------------------------
debian_mirror() { # the Debian mirror this machine's apt already uses
  local m
  m=$(sed -n 's/^URIs:[[:space:]]*\([^ ]*\).*/\1/p' /etc/apt/sources.list.d/*.sources 2>/dev/null | grep -E '/debian/?$' | head -1) || true
  [ -n "$m" ] || m=$(sed -n 's/^deb[[:space:]]\+\(\[[^]]*\][[:space:]]*\)\?\([^ ]*\).*/\2/p' /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null | grep -E '/debian/?$' | head -1) || true
  [ -n "$m" ] || die "no Debian mirror found in the apt sources: set DEBIAN_MIRROR"
  echo "$m"
}
pkg_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }
apt_install() { # apt_install PACKAGE... ; services are never started by the package scripts
  local p missing=() policy=/usr/sbin/policy-rc.d made='' rc=0 logf="$SYSTEMS_ROOT/apt-$SELF.log"
  for p in "$@"; do pkg_installed "$p" || missing+=("$p"); done
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' > "$policy" && chmod 755 "$policy" && made=1
  fi
  log "apt-get install ${missing[*]}"
  _apt() { DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-unsafe-io \
             -o Dpkg::Use-Pty=0 install -y --no-install-recommends "${missing[@]}" < /dev/null 9>&-; }
  if ! _apt > "$logf" 2>&1; then
    # Stale package lists are the usual cause on a fresh machine: refresh them once.
    apt-get -o DPkg::Lock::Timeout=300 update >> "$logf" 2>&1 9>&- || true
    _apt >> "$logf" 2>&1 || rc=1
  fi
  [ -z "$made" ] || rm -f "$policy"
  [ "$rc" = 0 ] || { tail -15 "$logf" >&2; die "apt-get install ${missing[*]} failed (log: $logf)"; }
}
random_secret() { head -c 18 /dev/urandom | base64 | tr '+/' 'ab'; }
