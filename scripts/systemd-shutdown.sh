#!/usr/bin/env bash
# Shows what systemd makes of contrib/pbkfs@.service: a systemd of its own, in namespaces of its own, starts the unit and a
# PostgreSQL server on the mount, and then shuts down.
#
#   scripts/systemd-shutdown.sh [SCENARIO...]      default: all of them
#
#   ordered    the server's unit has BindsTo= and After=, as docs/systemd.md says: it stops first, its last checkpoint arrives
#   crash      the mount process is killed: systemd stops the server, and the next start takes the dead mount away
#   unordered  the server's unit has neither, and the mount is busy when its turn comes: it is killed in the end, and nothing
#              that was committed is lost
#
# Needs root, systemd 247 or later, unshare, /dev/fuse, and `npm run build`. The machine's own systemd does not notice; in there
# /etc is an overlay and everything but a temporary directory read-only.
set -euo pipefail
LIMIT=180

# Inside, as the first process of the namespaces: makes the place ready and becomes systemd.
inside() {
  mount --bind "$work" "$work"
  mount -t overlay overlay -o "lowerdir=/etc,upperdir=$work/etc,workdir=$work/etc-work" /etc
  mkdir -p /etc/pbkfs
  {
    printf '[mount]\nmountpoint = "%s"\ndiff = "%s"\nlog-file = "%s"\n' "$work/mnt" "$work/diff" "$work/mount.log"
    [ "$again" = yes ] || printf 'backup-path = "%s"\ninstance = "a"\nbackup-id = "latest"\n' "$work/catalog"
  } >/etc/pbkfs/test.toml
  mount -t tmpfs tmpfs /run
  mkdir -p /run/lock /run/systemd/system
  mount -t cgroup2 none /sys/fs/cgroup
  units /run/systemd/system
  mount -o remount,bind,ro /
  # `container` tells systemd that neither disks nor power are its to manage.
  exec env -i container=pbkfs-test PATH="$PATH" "$systemd" --system --unit=test.target --show-status=no \
    --log-target=console --log-level=info
}

units() {
  cp 'contrib/pbkfs@.service' "$1/"
  mkdir "$1/pbkfs@test.service.d"
  # Only what this place needs: where pbkfs is; and less patience than ten minutes where it is to be tried.
  { echo '[Service]'; echo "Environment=PATH=$PATH"; [ "$scenario" != unordered ] || echo 'TimeoutStopSec=10s'; } \
    >"$1/pbkfs@test.service.d/here.conf"
  {
    echo '[Unit]'
    [ "$scenario" = unordered ] || printf 'BindsTo=pbkfs@test.service\nAfter=pbkfs@test.service\n'
    # The line of the README for a server on a mounted backup; SIGINT is a fast shutdown.
    printf '[Service]\nUser=%s\nGroup=%s\nKillSignal=SIGINT\nStandardError=append:%s\nExecStart=%s\n' "$user" "$group" \
      "$work/server.log" "$bin/postgres -D $work/mnt -c data_directory=$work/mnt -c config_file=$work/own/postgresql.conf \
-c hba_file=$work/own/pg_hba.conf -c ident_file=$work/own/pg_ident.conf -c external_pid_file=$work/own/pid -c archive_mode=off \
-c primary_conninfo= -c restore_command= -c shared_preload_libraries= -c listen_addresses= -c unix_socket_directories=$work/own"
  } >"$1/server.service"
  # Somebody else in the mount who takes his time, as a server with a large checkpoint does.
  printf '[Service]\nTimeoutStopSec=20s\nExecStart=/bin/sh -c "cd %s; trap : TERM; while :; do sleep 1; done"\n' "$work/mnt" \
    >"$1/lingering.service"
  {
    printf '[Service]\nEnvironment=PATH=%s\nWorkingDirectory=%s\n' "$PATH" "$root"
    printf 'ExecStart=/bin/bash %s driver %s %s\nStandardOutput=append:%s\nStandardError=inherit\n' \
      "$root/scripts/systemd-shutdown.sh" "$work" "$scenario" "$work/driver.log"
  } >"$1/driver.service"
  printf '[Unit]\nWants=driver.service\nAfter=driver.service\n' >"$1/test.target"
}

# wait_for COMMAND...: until it succeeds; fails after LIMIT seconds
wait_for() {
  local i
  for ((i = 0; i < LIMIT * 5; i++)); do
    "$@" >/dev/null 2>&1 && return
    sleep 0.2
  done
  echo "waited in vain for: $*"
  return 1
}

# sql STATEMENT: the first value of its answer
sql() {
  node -e "
    const pg = require(require.resolve('pg', { paths: ['$root'] }));
    const client = new pg.Client({ host: '$work/own', user: 'postgres', database: 'postgres' });
    client.connect().then(() => client.query({ text: process.argv[1], rowMode: 'array' }))
      .then((result) => { console.log(String(result.rows?.[0]?.[0] ?? '')); return client.end(); })
      .catch((error) => { console.error(error.message); process.exit(1); });" "$1"
}

state() { systemctl show -p ActiveState -p Result --value "$1" | paste -sd' '; }
stopped() { [[ $(state "$1") =~ (inactive|failed) ]]; }

# A service of that systemd: what happens before the shutdown.
driver() {
  systemctl start pbkfs@test.service
  systemctl start server.service
  [ "$scenario.$again" != unordered.no ] || systemctl start lingering.service
  wait_for sql 'select 1'
  if [ "$again" = yes ]; then
    echo "again: $(sql 'select count(*) from kept')"
    systemctl --no-block exit
    return
  fi
  sql 'create table kept as select generate_series(1, 1000) as n'
  if [ "$scenario" = crash ]; then
    kill -9 "$(node -p 'JSON.parse(require("fs").readFileSync(process.argv[1])).pid' "$work/diff/lock")"
    wait_for stopped pbkfs@test.service
    echo "pbkfs: $(state pbkfs@test.service)"
    wait_for stopped server.service
    echo "server: $(state server.service)"
    systemctl start server.service
    wait_for sql 'select 1'
  fi
  echo "rows: $(sql 'select count(*) from kept')"
  echo 'shutting down'
  systemctl --no-block exit
}

if [ "${1:-}" = inside ] || [ "${1:-}" = driver ]; then
  what=$1 work=$2 scenario=$3
  # shellcheck source=/dev/null
  . "$work/settings"
  "$what"
  exit
fi

cd "$(dirname "$0")/.."
root=$PWD
systemd=
for candidate in /lib/systemd/systemd /usr/lib/systemd/systemd; do [ ! -x "$candidate" ] || systemd=$candidate; done
[ -n "$systemd" ] || { echo 'systemd is not installed' >&2; exit 2; }
[ "$(id -u)" = 0 ] || { echo 'this needs root' >&2; exit 2; }
[ $# -gt 0 ] || set -- ordered crash unordered
keep=yes
base=$(mktemp -d /tmp/pbkfs-systemd.XXXXXX)
chmod 755 "$base"
cgroup=$(basename "$base")
mkdir "$base/cgroup"
cleanup() {
  unshare --mount --propagation private sh -c 'mount -t cgroup2 none "$1/cgroup" && cd "$1/cgroup" &&
    if [ -d "$2" ]; then find "$2" -depth -type d -exec rmdir {} +; fi' sh "$base" "$cgroup" 2>/dev/null || true
  [ "$keep" = yes ] || rm -rf "$base"
}
trap cleanup EXIT
fail() { echo "not ok - $*; see $work"; exit 1; }
# says WHAT FILE PATTERN, and not: silent WHAT FILE PATTERN
says() { grep -qE -- "$3" "$2" || fail "$1"; echo "ok - $1"; }
silent() { ! grep -qE -- "$3" "$2" || fail "$1"; echo "ok - $1"; }

# at FILE PATTERN: when the last such line was written, in a form that can be compared
at() { grep -E -- "$2" "$1" | tail -n 1 | cut -c1-23 | tr T ' '; }

prepare() {
  mkdir -p "$work"/{mnt,bin,own}
  printf '#!/bin/sh\nexec %q %q "$@"\n' "$(command -v node)" "$root/dist/src/cli/main.js" >"$work/bin/pbkfs"
  chmod 755 "$work/bin/pbkfs"
  node --input-type=module -e "
    const { copyCatalog } = await import('$root/dist/test/support/catalogs.js');
    const { postgres15 } = await import('$root/dist/test/support/postgres.js');
    const { binaries, user } = postgres15();
    await copyCatalog('mini', '$work');
    console.log('bin=' + JSON.stringify(binaries.binDir) + ' user=' + user.uid + ' group=' + user.gid);" >"$work/settings"
  printf 'root=%q\nsystemd=%q\nPATH=%q\n' "$root" "$systemd" "$work/bin:$PATH" >>"$work/settings"
  . "$work/settings"
  again=no
  touch "$work/own/postgresql.conf" "$work/own/pg_ident.conf"
  echo 'local all all trust' >"$work/own/pg_hba.conf"
  chown -R "$user:$group" "$work/own" "$work/mnt"
}

# A cgroup of its own keeps this systemd apart from any other.
boot() {
  sed -i '/^again=/d' "$work/settings"
  echo "again=$again" >>"$work/settings"
  rm -rf "$work"/{etc,etc-work}
  mkdir "$work"/{etc,etc-work}
  unshare --mount --propagation private --pid --fork --kill-child --mount-proc --ipc --uts bash -c '
    mount -t cgroup2 none "$1/cgroup" && mkdir -p "$1/cgroup/$2" && echo 1 >"$1/cgroup/$2/cgroup.procs" && umount "$1/cgroup" &&
    exec unshare --cgroup bash scripts/systemd-shutdown.sh inside "$3" "$4"' \
    bash "$base" "$cgroup" "$work" "$scenario" >"$work/systemd.log" 2>&1 &
  local process=$! i
  for ((i = 0; i < LIMIT; i++)); do
    kill -0 "$process" 2>/dev/null || { wait "$process" || true; return; }
    sleep 1
  done
  kill -9 "$process"
  fail "$scenario: systemd did not end within $LIMIT s"
}

systemd-analyze verify 'contrib/pbkfs@.service' && echo 'ok - systemd-analyze verify finds nothing'
for scenario; do
  echo "# $scenario"
  work=$base/$scenario
  prepare
  boot
  state=$(node -p 'JSON.parse(require("fs").readFileSync(process.argv[1])).lastMount.state' "$work/diff/binding.json")
  says 'the table was written before the shutdown' "$work/driver.log" '^rows: 1000$'
  [ "$scenario" != crash ] || {
    says 'systemd notices that the mount process was killed' "$work/driver.log" '^pbkfs: '
    says 'and stops the server' "$work/driver.log" '^server: '
    grep -E '^(pbkfs|server): ' "$work/driver.log" | sed 's/^/# /'
  }
  if [ "$scenario" = unordered ]; then
    says 'the mount was busy when its turn came' "$work/mount.log" 'the mount is busy and stays'
    [ "$state" = mounted ] || fail "the mount ended: $state"
    echo 'ok - systemd killed it after TimeoutStopSec'
  else
    down=$(at "$work/server.log" 'database system is shut down') up=$(at "$work/mount.log" 'INFO unmounted')
    [ -n "$down" ] && [[ $down < $up ]] || fail "the server stopped at '$down', the mount at '$up'"
    echo "ok - the server stopped at $down, then the mount at $up"
    silent 'the mount was not busy' "$work/mount.log" 'the mount is busy'
    [ "$state" = clean ] || fail "the mount ended: $state"
    echo 'ok - the mount ended clean'
  fi
  # The next boot.
  : >"$work/server.log"
  again=yes
  boot
  says 'after the next boot the rows are there' "$work/driver.log" '^again: 1000$'
  case $scenario in
    unordered) grep -oE 'database system was .*' "$work/server.log" | head -n 1 | sed 's/^/# /' ;;
    *) says 'and the server needed no recovery' "$work/server.log" 'database system was shut down at' ;;
  esac
done
keep=no
