#!/usr/bin/env bash
# Runs PostgreSQL's core regression or isolation suite on a server whose PGDATA is a mounted backup and on one whose PGDATA is a
# plain copy of it, and compares the two test by test. By hand; needs root and `npm run build`.
#
#   scripts/pg-regress.sh --source DIR --bin DIR [-B CATALOG -I INSTANCE -i ID] [--user NAME] [--suite NAME] [--schedule NAME] [--rows FILE]
#
# --source  a built PostgreSQL source tree (`make`, `make -C src/test/regress`, for the other suite `make -C src/test/isolation`)
#           of the backup's major version, 15
# --bin     the directory of that build's postgres, pg_ctl and psql
# -B -I -i  a STREAM backup that brings its own WAL; default: the fixture catalog `mini`, a chain of four. Its cluster must
#           have been made by a build like --bin: one without ICU fails tests on a cluster that was made with it
# --user    who runs the servers; default postgres
# --suite   regress (default) or isolation
# --schedule  default: parallel_schedule, or isolation_schedule; or another one of the suite's directory
# --rows    where to append the table row `| suite | what | checks | result | seconds | command |`
# Raw output stays in a directory whose name is printed. Exit status 0: every test that passes on the copy passes on the
# mount, and at least one did.
set -uo pipefail
cd "$(dirname "$0")/.."
root=$PWD
catalog='' instance=a backup=TOU5PO source='' bin='' user=postgres suite=regress schedule='' rows=/dev/null
while [ $# -gt 0 ]; do
  case $1 in
    --source) source=$(realpath "${2:?}") ;;
    --bin) bin=$(realpath "${2:?}") ;;
    -B) catalog=$(realpath "${2:?}") ;;
    -I) instance=${2:?} ;;
    -i) backup=${2:?} ;;
    --user) user=${2:?} ;;
    --suite) suite=${2:?} ;;
    --schedule) schedule=${2:?} ;;
    --rows) rows=$(realpath "${2:?}") ;;
    *) echo "unknown option $1" >&2; exit 2 ;;
  esac
  shift 2
done
regress=$source/src/test/$suite
case $suite in
  regress) program=$regress/pg_regress; schedule=${schedule:-parallel_schedule} ;;
  isolation) program=$regress/pg_isolation_regress; schedule=${schedule:-isolation_schedule} ;;
  *) echo "unknown suite $suite: regress or isolation" >&2; exit 2 ;;
esac
[ -x "$bin/pg_ctl" ] || { echo 'give --bin DIR, the directory of pg_ctl' >&2; exit 2; }
[ -x "$program" ] || { echo "give --source DIR: $program is not there" >&2; exit 2; }

work=$(mktemp -d /tmp/pbkfs-pg-regress.XXXXXX)
mount=$work/mount copy=$work/copy
mkdir "$mount"
chmod 755 "$work"
chown "$user" "$mount"
pbkfs=(node "$root/dist/src/cli/main.js")
running=''
finish() {
  [ -z "$running" ] || as_user "$bin/pg_ctl" -D "$running" -m immediate stop >/dev/null 2>&1
  "${pbkfs[@]}" unmount -D "$mount" >/dev/null 2>&1
  cp "$work/diff/pbkfs.log" "$work/" 2>/dev/null
  rm -rf "$copy" "$work/diff" "$work/catalog"
}
trap finish EXIT
as_user() { (cd "$work" && setpriv --reuid "$user" --regid "$user" --init-groups env -u PGDATA "$@"); }

# suite_on DIRECTORY NAME: a server of its own socket, configuration and log; pg_regress's verdicts go to NAME.txt.
suite_on() {
  local data=$1 name=$2 private=$work/server-$2
  mkdir "$private" "$private/out"
  echo 'local all all trust' >"$private/pg_hba.conf"
  : >"$private/pg_ident.conf"
  printf '%s\n' "hba_file = '$private/pg_hba.conf'" "ident_file = '$private/pg_ident.conf'" \
    "unix_socket_directories = '$private'" "listen_addresses = ''" 'archive_mode = off' 'logging_collector = off' \
    'max_prepared_transactions = 2' 'max_connections = 100' >"$private/postgresql.conf"
  chown -R "$user" "$private"
  as_user "$bin/pg_ctl" -D "$data" -w -t 120 -l "$private/server.log" \
    -o "-c config_file=$private/postgresql.conf -c data_directory=$data -c archive_mode=off -c restore_command= \
        -c primary_conninfo= -c shared_preload_libraries= -c external_pid_file=$private/pid" start >"$private/start.txt" 2>&1 ||
    { cat "$private/start.txt" "$private/server.log" >&2; exit 1; }
  running=$data
  # The suite creates roles and databases of its own; those of the backup stay beside them.
  as_user "$program" --inputdir="$regress" --outputdir="$private/out" --bindir="$bin" --dlpath="$regress" \
    --host="$private" --port=5432 --user=postgres --no-locale --encoding=UTF8 --max-concurrent-tests=20 \
    --schedule="$regress/$schedule" >"$work/$name.txt" 2>&1
  as_user "$bin/pg_ctl" -D "$data" -w -m fast stop >>"$private/start.txt" 2>&1
  running=''
}

# Verdict and name of every test, sorted: `ok boolean`.
verdicts() { sed -nE 's/^(test|    ) *([a-z0-9_.-]+) +\.\.\. (ok|FAILED).*/\3 \2/p' "$work/$1.txt" | sort -k2; }

if [ -z "$catalog" ]; then
  catalog=$work/catalog
  node --input-type=module -e "
    const { copyCatalog } = await import('$root/dist/test/support/catalogs.js');
    await copyCatalog('mini', '$work');" || exit 1
fi
"${pbkfs[@]}" mount -B "$catalog" -I "$instance" -i "$backup" -D "$mount" -d "$work/diff" || exit 1
# Before any server ran: the copy is what a restore would have made. Its tablespaces are plain directories of its own.
cp -a "$mount" "$copy" || exit 1
for link in "$copy"/pg_tblspc/*; do
  [ -L "$link" ] || continue
  cp -a "$mount/pg_tblspc/${link##*/}/." "$work/tablespace-${link##*/}" && ln -sfn "$work/tablespace-${link##*/}" "$link" || exit 1
  chown -h "$user" "$link"
done

begun=$SECONDS
suite_on "$copy" copy
native=$((SECONDS - begun))
begun=$SECONDS
suite_on "$mount" mount
mounted=$((SECONDS - begun))

verdicts copy >"$work/copy.verdicts"
verdicts mount >"$work/mount.verdicts"
checks=$(wc -l <"$work/copy.verdicts")
good=$(grep -c '^ok' "$work/mount.verdicts")
native_good=$(grep -c '^ok' "$work/copy.verdicts")
differing=$(diff "$work/copy.verdicts" "$work/mount.verdicts" | grep -c '^>')
command="scripts/pg-regress.sh --source DIR --bin DIR --suite $suite --schedule $schedule"
printf '| %s | %s | %s | %s | %s | `%s` |\n' "${program##*/}" "PostgreSQL 15, $schedule, on a mount and on a plain copy of it" "$checks" \
  "mount $good ok, plain copy $native_good ok, $differing differ" "$mounted (plain copy: $native)" "$command" | tee -a "$rows"
echo "raw results: $work"
diff "$work/copy.verdicts" "$work/mount.verdicts"
same=$?
[ "$same" -eq 0 ] && [ "$good" -gt 0 ]
