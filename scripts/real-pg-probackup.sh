#!/usr/bin/env bash
# Proves against the real pg_probackup that the chain of a mount cannot vanish, and that nothing stays locked behind it.
# By hand; needs root and `npm run build`. The tests of `npm test` do the same with lock files of their own.
#
#   scripts/real-pg-probackup.sh --pg-probackup BIN --bin DIR [--user NAME] [--rows FILE]
#
# --pg-probackup  a pg_probackup 2.5 for PostgreSQL 15
# --bin           the directory of postgres 15's initdb and pg_ctl
# --user          who owns the server and the catalog; default postgres. Mounts are made by root
# --rows          where to append the table row `| suite | what | checks | result | seconds | command |`
set -uo pipefail
cd "$(dirname "$0")/.."
root=$PWD
program='' bin='' user=postgres rows=/dev/null
while [ $# -gt 0 ]; do
  case $1 in
    --pg-probackup) program=$(realpath "${2:?}") ;;
    --bin) bin=$(realpath "${2:?}") ;;
    --user) user=${2:?} ;;
    --rows) rows=$(realpath "${2:?}") ;;
    *) echo "unknown option $1" >&2; exit 2 ;;
  esac
  shift 2
done
[ -x "$program" ] || { echo 'give --pg-probackup BIN' >&2; exit 2; }
[ -x "$bin/pg_ctl" ] || { echo 'give --bin DIR, the directory of pg_ctl' >&2; exit 2; }

work=$(mktemp -d /tmp/pbkfs-real.XXXXXX)
chmod 755 "$work"
mkdir "$work/mount" "$work/mount2" "$work/own"
chown "$user" "$work/own" "$work/mount2"
own=$work/own pristine=$work/own/pristine catalog=$work/own/catalog
pbkfs=(node "$root/dist/src/cli/main.js")
mounted=''
finish() {
  as_user "$bin/pg_ctl" -D "$own/data" -m immediate stop >/dev/null 2>&1
  for point in "$work/mount" "$work/mount2" "$work/own/ro"; do
    mountpoint -q "$point" && { "${pbkfs[@]}" unmount -D "$point" || umount -l "$point"; } >/dev/null 2>&1
  done
  rm -rf "$work"
}
trap finish EXIT
as_user() { (cd "$own" && setpriv --reuid "$user" --regid "$user" --init-groups env -u PGDATA "$@"); }
probackup() { as_user "$program" "$@" >"$own/last.txt" 2>&1; }
fatal() { echo "$1" >&2; cat "$own/last.txt" >&2; exit 1; }

checks=0 good=0
# check WHAT COMMAND...: one line a check; the command's status is the verdict.
check() {
  local what=$1
  shift
  checks=$((checks + 1))
  if "$@"; then good=$((good + 1)); echo "ok      $what"; else echo "FAILED  $what"; tail -n 3 "$own/last.txt" | sed 's/^/          /'; fi
}
not() { ! "$@"; }

# --- a chain FULL, DELTA, DELTA, DELTA of a cluster of our own
touch "$own/last.txt"
chmod 666 "$own/last.txt"
as_user "$bin/initdb" -D "$own/data" -A trust -N -U postgres --no-locale -E UTF8 -k >"$own/last.txt" || fatal 'initdb fails'
printf '%s\n' "unix_socket_directories = '$own'" "listen_addresses = ''" 'max_wal_senders = 5' 'fsync = off' >>"$own/data/postgresql.conf"
as_user "$bin/pg_ctl" -D "$own/data" -w -l "$own/server.log" start >"$own/last.txt" || fatal 'the server does not start'
probackup init -B "$pristine" && probackup add-instance -B "$pristine" --instance main -D "$own/data" || fatal 'no catalog'
for mode in FULL DELTA DELTA DELTA; do
  as_user "$bin/psql" -qX -h "$own" -U postgres -c 'create table if not exists t (x int); insert into t select generate_series(1, 5000)' postgres >"$own/last.txt" 2>&1
  probackup backup -B "$pristine" --instance main -b "$mode" --stream --compress -d postgres -U postgres -h "$own" || fatal "no $mode backup"
done
as_user "$bin/pg_ctl" -D "$own/data" -m fast stop >/dev/null
ids() { ls -r "$catalog/backups/main" | grep -v conf; }
fresh() { rm -rf "$catalog" && cp -a "$pristine" "$catalog" && mapfile -t id < <(ids); }
listing() { (cd "$catalog/backups/main" && find . -type f ! -name backup.pid ! -name backup_ro.pid -exec sha256sum {} + | sort); }
mount_it() { "${pbkfs[@]}" mount -B "$catalog" -I main -i "$1" -D "${3:-$work/mount}" -d "$work/${2:-diff}" >"$own/last.txt" 2>&1; }
unmount_it() { "${pbkfs[@]}" unmount -D "$work/mount" >"$own/last.txt" 2>&1; rm -rf "$work/diff"; }
# Of the pid that the mount command prints.
mount_pid() { sed -nE 's/.*\(process ([0-9]+).*/\1/p' "$own/last.txt"; }
same_as() { [ "$(listing)" = "$1" ]; }
reads() { cmp -s "$work/mount/PG_VERSION" "$own/data/PG_VERSION" && cat "$work"/mount/base/*/1259 >/dev/null; }
no_locks() { [ -z "$(find "$catalog" -name 'backup_ro.pid' -size +0)" ] || not_alive; }
not_alive() { for pid in $(cat "$catalog"/backups/main/*/backup_ro.pid); do kill -0 "$pid" 2>/dev/null && return 1; done; return 0; }
begun=$SECONDS
fresh
# Newest first: id[0] is the target, id[3] the FULL.
mount_it "${id[0]}" || fatal 'the chain cannot be mounted'
before=$(listing)

# --- while mounted: each of these waits a minute for the lock, then refuses
commands=(
  "delete -i ${id[0]}"
  "delete -i ${id[3]}"
  "merge -i ${id[0]}"
  "merge -i ${id[2]}"
)
# Side by side they would find each other's exclusive locks, so each gets a copy of the catalog with the mount's locks.
pids=()
for n in "${!commands[@]}"; do
  cp -a "$catalog" "$own/copy$n"
  (as_user "$program" ${commands[n]} -B "$own/copy$n" --instance main >"$own/command$n.txt" 2>&1; echo $? >"$own/status$n") &
  pids+=($!)
done
refused() { [ "$(cat "$own/status$1")" != 0 ] && grep -q 'Cannot lock backup\|is locked\|Cannot lock' "$own/command$1.txt"; }
kept() { [ "$(cd "$own/copy$1/backups/main" && find . -type f ! -name 'backup*.pid' -exec sha256sum {} + | sort)" = "$before" ]; }
for pid in "${pids[@]}"; do wait "$pid"; done
for n in "${!commands[@]}"; do
  cp "$own/command$n.txt" "$own/last.txt"
  check "while mounted: ${commands[n]} refuses" refused "$n"
  check "while mounted: ${commands[n]} changes nothing" kept "$n"
  rm -rf "$own/copy$n"
done
check 'while mounted: validate works' probackup validate -B "$catalog" --instance main
check 'while mounted: restore works' probackup restore -B "$catalog" --instance main -D "$own/restored" --no-sync
rm -rf "$own/restored"
check 'while mounted: the chain is as it was' same_as "$before"
check 'while mounted: files read as before' reads

# --- retention, with a second FULL so that the mounted chain is beyond the window
retention() {
  probackup delete -B "$catalog" --instance main --delete-expired --retention-redundancy=1 --retention-window=0 "$@"
}
as_user "$bin/pg_ctl" -D "$own/data" -w -l "$own/server.log" start >/dev/null
probackup backup -B "$catalog" --instance main -b FULL --stream -d postgres -U postgres -h "$own" || fatal 'no second FULL'
as_user "$bin/pg_ctl" -D "$own/data" -m fast stop >/dev/null
retention
check 'while mounted: retention (delete --delete-expired) refuses' grep -q 'Cannot lock backup\|Cannot lock' "$own/last.txt"
check 'while mounted: retention deletes no member' test -f "$catalog/backups/main/${id[3]}/backup.control" -a -f "$catalog/backups/main/${id[0]}/backup.control"
check 'while mounted: files read as before' reads
unmount_it
retention
check 'after unmount: retention deletes the chain' not test -e "$catalog/backups/main/${id[3]}"

# --- retention that merges: the chain's last member is pinned, so that its expired parents have to be merged into it
fresh
probackup set-backup -B "$catalog" --instance main -i "${id[0]}" --ttl=30d || fatal 'cannot pin a backup'
as_user "$bin/pg_ctl" -D "$own/data" -w -l "$own/server.log" start >/dev/null
probackup backup -B "$catalog" --instance main -b FULL --stream -d postgres -U postgres -h "$own" || fatal 'no second FULL'
as_user "$bin/pg_ctl" -D "$own/data" -m fast stop >/dev/null
merge_expired() {
  probackup delete -B "$catalog" --instance main --merge-expired --retention-redundancy=1 --retention-window=0 --no-sync "$@"
}
mount_it "${id[0]}" || fatal 'the chain cannot be mounted'
before=$(listing)
merge_expired
check 'while mounted: retention (delete --merge-expired) refuses' grep -q 'Cannot lock backup\|Cannot lock' "$own/last.txt"
check 'while mounted: retention merges nothing' same_as "$before"
check 'while mounted: files read as before' reads
unmount_it
check 'after unmount: retention merges the chain' merge_expired
check 'after unmount: its parents are gone' not test -e "$catalog/backups/main/${id[3]}/database/base/1" -a -e "$catalog/backups/main/${id[0]}/database/base/1"

# --- after unmount and after kill -9
fresh
mount_it "${id[0]}" || fatal 'the chain cannot be mounted'
unmount_it
check 'after unmount: no live process is named in the locks' no_locks
check 'after unmount: merge works' probackup merge -B "$catalog" --instance main -i "${id[2]}" --no-sync
fresh
mount_it "${id[0]}" || fatal 'the chain cannot be mounted'
kill -9 "$(mount_pid)"
umount -l "$work/mount" 2>/dev/null
rm -rf "$work/diff"
check 'after kill -9 of the mount: delete works' probackup delete -B "$catalog" --instance main -i "${id[0]}"
check 'after kill -9 of the mount: merge works' probackup merge -B "$catalog" --instance main -i "${id[1]}" --no-sync

# --- two mounts, one of them ends: still held
fresh
mount_it "${id[0]}" || fatal 'the chain cannot be mounted'
mount_it "${id[1]}" diff2 "$work/mount2" || fatal 'a shorter chain cannot be mounted beside it'
unmount_it
check 'two mounts, one unmounted: the other one holds its chain' not probackup delete -B "$catalog" --instance main -i "${id[3]}"
"${pbkfs[@]}" unmount -D "$work/mount2" >/dev/null 2>&1

# --- a catalog on a read-only file system
fresh
mkdir "$own/ro"
mount --bind "$own/catalog" "$own/ro" && mount -o remount,bind,ro "$own/ro" || fatal 'no read-only bind mount'
saved=$catalog catalog=$own/ro
check 'read-only catalog: the mount works' mount_it "${id[0]}"
check 'read-only catalog: the mount warns that it holds no locks' grep -qi 'warning.*lock\|lock.*read-only\|read-only' "$own/last.txt"
check 'read-only catalog: files read' reads
unmount_it
umount "$own/ro"
catalog=$saved

printf '| %s | %s | %s | %s | %s | `%s` |\n' 'real pg_probackup' "$("$program" --version | head -n 1): delete, merge, retention on a mounted chain" "$checks" \
  "$good of $checks" "$((SECONDS - begun))" 'scripts/real-pg-probackup.sh --pg-probackup BIN --bin DIR' | tee -a "$rows"
[ "$good" -eq "$checks" ]
