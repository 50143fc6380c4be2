#!/usr/bin/env bash
# Starts the portal, and a pool of HTCondor first where this machine has none; Ctrl-C ends what it started.
#
#   PORT    of the portal                       3000
#   STATE   its database and its jobs' files    /var/tmp/telesto-condor-nile
#
# The pool is that of the tests, which root can have on Debian 12. HTCondor refuses the jobs of root: as root, the portal and its jobs run
# as the pool's account.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
export STATE=${STATE:-/var/tmp/telesto-condor-nile}

started=
if ! command -v condor_submit >/dev/null; then
  pool=$here/../../test/systems/condor.sh
  "$pool" status >/dev/null 2>&1 || { "$pool" start && started=1; }
  eval "$("$pool" env)"
fi
portal=
# shellcheck disable=SC2329
finish() {
  [ -z "$portal" ] || { kill -TERM "$portal" && wait "$portal"; } 2>/dev/null || true
  [ -z "$started" ] || "$pool" stop
}
trap finish EXIT
trap 'exit 0' INT TERM

as=()
mkdir -p "$STATE"
if [ "$(id -u)" = 0 ]; then
  account=${CONDOR_USER:?name an ordinary account: HTCondor refuses the jobs of root}
  chown "$account:" "$STATE"
  as=(setpriv --reuid "$account" --regid "$(id -g "$account")" --init-groups -- env HOME="$(getent passwd "$account" | cut -d: -f6)" USER="$account" LOGNAME="$account")
fi
"${as[@]}" "$(command -v node)" "$here/portal.ts" &
portal=$!
wait "$portal"
