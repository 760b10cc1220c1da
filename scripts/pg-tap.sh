#!/usr/bin/env bash
# Runs PostgreSQL's TAP suites with every directory they make inside a mounted backup, and the same files in a plain
# directory beside it, and compares them file by file. By hand; needs root, `npm run build` and Debian's libipc-run-perl.
#
#   scripts/pg-tap.sh --source DIR --bin DIR [--suite DIR]... [--file NAME]... [--plain DIR] [--user NAME] [--jobs N] [--timeout S] [--rows FILE]
#
# --source   a built PostgreSQL source tree (`make`, `make -C src/test/regress`), 15 or later
# --bin      the bin directory of that build, installed with contrib
# --suite    a directory of the source that has t/*.pl; default: src/test/recovery and src/bin/ pg_rewind, pg_basebackup,
#            pg_verifybackup, pg_amcheck
# --file     only this file, such as 001_stream_rep.pl
# --plain    where the other side works; default: a directory beside the mount. A mount of another file system, say
# --user     who runs tests and servers; default postgres
# --jobs     files at a time, of both sides together; default: one for each processor
# --timeout  seconds a test waits for something (PG_TEST_TIMEOUT_DEFAULT); default 600
# --rows     where to append the table row `| suite | what | checks | result | seconds | command |`
# Raw output stays in a directory whose name is printed. Exit status 0: every file that passes in the plain directory
# passes on the mount with as many assertions, and at least one did.
set -uo pipefail
cd "$(dirname "$0")/.."
root=$PWD
source='' bin='' plain='' user=postgres jobs=$(nproc) timeout=600 rows=/dev/null suites=() files=()
command='scripts/pg-tap.sh --source DIR --bin DIR'
while [ $# -gt 0 ]; do
  case $1 in
    --source) source=$(realpath "${2:?}") ;;
    --bin) bin=$(realpath "${2:?}") ;;
    --suite) suites+=("${2:?}"); command+=" --suite $2" ;;
    --file) files+=("${2:?}"); command+=" --file $2" ;;
    --plain) plain=$(realpath "${2:?}") ;;
    --user) user=${2:?} ;;
    --jobs) jobs=${2:?} ;;
    --timeout) timeout=${2:?} ;;
    --rows) rows=$(realpath "${2:?}") ;;
    *) echo "unknown option $1" >&2; exit 2 ;;
  esac
  shift 2
done
[ ${#suites[@]} -gt 0 ] || suites=(src/test/recovery src/bin/pg_rewind src/bin/pg_basebackup src/bin/pg_verifybackup src/bin/pg_amcheck)
[ -x "$bin/pg_ctl" ] || { echo 'give --bin DIR, the directory of pg_ctl' >&2; exit 2; }
[ -x "$source/src/test/regress/pg_regress" ] || { echo "give --source DIR: $source/src/test/regress/pg_regress is not there" >&2; exit 2; }
perl -MIPC::Run -e 1 2>/dev/null || { echo 'Perl has no IPC::Run: apt-get install libipc-run-perl' >&2; exit 2; }

work=$(mktemp -d /tmp/pbkfs-pg-tap.XXXXXX)
chmod 755 "$work"
mount=$work/mount
[ -n "$plain" ] || plain=$work/plain
mkdir -p "$mount" "$plain" "$work"/logs/{mount,plain} "$work/ports"
chown "$user" "$mount" "$plain" "$work/ports"
pbkfs=(node "$root/dist/src/cli/main.js")
finish() {
  # Those of test files that were interrupted.
  find "$mount" "$plain" -name postmaster.pid -printf '%h\n' 2>/dev/null | while read -r data; do
    as_user "$bin/pg_ctl" -D "$data" -m immediate stop >/dev/null 2>&1
  done
  "${pbkfs[@]}" unmount -D "$mount" >/dev/null 2>&1
  cp "$work/diff/pbkfs.log" "$work/" 2>/dev/null
  rm -rf "$work/diff" "$work/catalog" "$work/plain" "$work/ports"
}
trap finish EXIT
as_user() { setpriv --reuid "$user" --regid "$user" --init-groups "$@"; }

# one SIDE SUITE FILE: runs a test file below the directory of SIDE. logs/SIDE/SUITE-FILE.txt gets what prove said, a
# directory beside it the logs of test and servers, verdicts a line: side, file, good and bad assertions, prove's status, seconds.
one() {
  local side=$1 suite=$2 file=$3 name=${2##*/}-${3%.pl} below=$mount begun=$SECONDS status
  [ "$side" = mount ] || below=$plain
  local directory=$below/tap-$name out=$work/logs/$side/$name
  install -d -o "$user" -g "$user" "$directory" || return 1
  (cd "$source/$suite" && as_user env -i \
    PATH="$bin:$PATH" HOME="$directory" LC_ALL=C TESTDIR="$directory" TESTDATADIR="$directory/tmp_check" TESTLOGDIR="$directory/tmp_check/log" \
    PGPORT=65432 PG_TEST_PORT_DIR="$work/ports" PG_TEST_TIMEOUT_DEFAULT="$timeout" PG_REGRESS="$source/src/test/regress/pg_regress" \
    REGRESS_SHLIB="$source/src/test/regress/regress.so" TAR=tar GZIP_PROGRAM=gzip LZ4=lz4 ZSTD=zstd \
    prove --verbose -I "$source/src/test/perl" -I . "t/$file") >"$out.txt" 2>&1
  status=$?
  cp -r "$directory/tmp_check/log" "$out" 2>/dev/null
  rm -rf "$directory"
  printf '%s %s %s %s %s %s\n' "$side" "$name" "$(grep -c '^ok [0-9]' "$out.txt")" "$(grep -c '^not ok [0-9]' "$out.txt")" "$status" \
    $((SECONDS - begun)) | tee -a "$work/verdicts"
}

node --input-type=module -e "
  const { copyCatalog } = await import('$root/dist/test/support/catalogs.js');
  await copyCatalog('mini', '$work');" || exit 1
"${pbkfs[@]}" mount -B "$work/catalog" -I a -i latest -D "$mount" -d "$work/diff" || exit 1

export -f one as_user
export source bin plain mount work user timeout
for suite in "${suites[@]}"; do
  for path in "$source/$suite"/t/*.pl; do
    [ ${#files[@]} -eq 0 ] || [[ " ${files[*]} " == *" ${path##*/} "* ]] || continue
    printf '%s\n' "mount $suite ${path##*/}" "plain $suite ${path##*/}"
  done
done | xargs -r -P "$jobs" -L 1 bash -c 'one "$@"' one

[ -s "$work/verdicts" ] || { echo 'no suite has such a file' >&2; exit 2; }

# sum SIDE: files that ran, that passed, that skip themselves whole, assertions that held, that did not, seconds.
sum() {
  awk -v side="$1" '$1 != side { next } { good += $3; bad += $4; s += $6 } $5 == 0 && $3 == 0 { skipped++; next } { ran++ } $5 == 0 { passed++ }
    END { print ran+0, passed+0, skipped+0, good+0, bad+0, s+0 }' "$work/verdicts"
}
read -r ran passed skipped good bad seconds < <(sum mount)
read -r _ plain_passed _ plain_good plain_bad plain_seconds < <(sum plain)
for side in mount plain; do
  awk -v side=$side '$1 == side { print $2, $3, $4, $5 }' "$work/verdicts" | sort >"$work/$side.verdicts"
done
differing=$(diff "$work/plain.verdicts" "$work/mount.verdicts" | grep -c '^>')
printf '| pg_tap | PostgreSQL %s, TAP files of %s, on a mount and in a plain directory | %s | %s | %s | `%s` |\n' \
  "$("$bin/postgres" -V | grep -oE '[0-9.]+' | head -n 1)" "$(printf '%s, ' "${suites[@]##*/}" | sed 's/, $//')" "$((good + bad))" \
  "mount $passed of $ran files, $good assertions; plain directory $plain_passed, $plain_good; $differing differ; files that skip themselves: $skipped" \
  "$seconds (plain directory: $plain_seconds)" "$command" | tee -a "$rows"
[ $((bad + plain_bad)) -eq 0 ] || grep -a '^not ok' -r "$work/logs" --include='*.txt'
echo "raw results: $work"
diff "$work/plain.verdicts" "$work/mount.verdicts"
same=$?
[ "$same" -eq 0 ] && [ "$passed" -gt 0 ]
