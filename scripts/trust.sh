#!/usr/bin/env bash
# Runs the tests that say how far data on a mount can be trusted, and writes docs/trust.md from what they said.
#
#   scripts/trust.sh [--lives N] [--rounds N] [--fuzz N] [--deep] [--rows FILE]... [--output FILE]
#
# --lives   lives of a diff on a disk that forgets (default 1000; xfs gets a quarter of them)
# --rounds  crashes of a working PostgreSQL by power loss, and as many by kill -9 (default 25); twice as many under the model
# --fuzz    inputs for each parser (default 5000)
# --deep    the long model check (17 minutes more)
# --rows    finished rows of other suites, as scripts/pg-regress.sh and scripts/pg-tap.sh write them with --rows
#
# Needs root, /dev/fuse, loop devices, postgresql-15, xfsprogs, and `npm run build`. Raw output stays in a directory whose
# name is printed. The exit status is 1 when anything failed; the page is written all the same.
set -uo pipefail
cd "$(dirname "$0")/.."
root=$PWD
. scripts/tap-summary.sh
lives=1000 rounds=25 fuzz=5000 deep=no output=$root/docs/trust.md extra=()
while [ $# -gt 0 ]; do
  case $1 in
    --deep) deep=yes; shift; continue ;;
    --lives) lives=$2 ;;
    --rounds) rounds=$2 ;;
    --fuzz) fuzz=$2 ;;
    --rows) extra+=("$(realpath "$2")") ;;
    --output) output=$(realpath -m "$2") ;;
    *) echo "unknown option $1" >&2; exit 2 ;;
  esac
  shift 2
done

work=$(mktemp -d /tmp/pbkfs-trust.XXXXXX)
echo "raw output: $work"
# Of the program that is tested, whatever is committed while it runs.
commit=$(git describe --always --dirty)
rows=()
failed=0
trap '[ -z "${mounted:-}" ] || node "$root/dist/src/cli/main.js" unmount -D "$work/mount" >/dev/null 2>&1' EXIT

# suite NAME WHAT SEEN TEST [VARIABLE=VALUE...]: runs a test file; SEEN is the extended regular expression of the lines of
# its output that say what it did.
suite() {
  local name=$1 what=$2 seen=$3 test=$4
  shift 4
  local raw=$work/${test//\//-}.tap begun=$SECONDS
  # The limit that .taprc sets, in s; some tests set their own.
  env TAP_TIMEOUT=600 "$@" nice node "dist/test/$test.test.js" >"$raw" 2>&1
  local status=$? result details
  count() { tap_count "$raw" "$1"; }
  result=passed
  [ -z "$(count skip)" ] || result="passed, $(count skip) skipped"
  if [ $status != 0 ] || [ -z "$(count total)" ] || [ -n "$(count fail)" ]; then
    result="**failed** ($(count fail))"
    failed=1
  fi
  details=$(sed -E 's/^ *ok [0-9]+ - //' "$raw" | grep -aoE "$seen" | tr -d '"{}' | sed -E 's/([A-Za-z]+):([0-9])/\1 \2/g' | paste -sd';' | sed 's/;/; /g; s/,/, /g; s/  */ /g')
  rows+=("| $name | $what${details:+: $details} | $(count total) | $result | $((SECONDS - begun)) | \`${*:+$* }npx tap dist/test/$test.test.js\` |")
  echo "$name: $result"
}

model=short
[ $deep = no ] || model=long
suite 'fault matrix' 'every class of byte of every kind of catalog file flipped, cut, swapped, deleted: truth or EIO' \
  '\{"[a-z]+":.*of [0-9]+ files' trust/fault-matrix
suite 'parser fuzzing' 'control files, content lists, streams, header maps, block maps, bindings' \
  '[a-z].*: [0-9]+ of [0-9]+ refused' trust/parsers "PBKFS_FUZZ_RUNS=$fuzz"
suite 'refused reads' 'EIO; log line and metric name backup, file, block and kind; the rest of the mount goes on' '^$' trust/refused-reads
suite 'fault matrix of a diff' 'bytes of journal and block maps flipped, every file cut or gone: what was written, or refused' \
  '\{"truth".*of [0-9]+ files' trust/diff-faults PBKFS_FAULT_STEP=5
suite 'damage to a diff' 'every kind: what fsck says, what --repair does, what a mount refuses' '^$' mount/diff/fsck-damage
suite 'model check of the diff' 'all short sequences of operations, kills and power cuts on a simulated disk' \
  '[0-9]+ actions led to [0-9]+ different worlds' overlay/diff/model-check "PBKFS_MODEL_CHECK=$model"
suite 'seeded faults' 'known mistakes, which the model check must find' '^$' overlay/diff/seeded-faults
suite 'orders of threads: requests' 'data threads and namespace thread, their compiled code in every order of its steps up to so many preemptions; known mistakes are found' \
  '^$' fs/thread-orders PBKFS_STORM=long
suite 'orders of threads: indexes' 'the same of shared block indexes, file table and arena' '^$' overlay/shared/index-orders PBKFS_STORM=long
suite 'orders of threads: data' 'the same of writes, syncs and barriers' '^$' overlay/data/engine-orders PBKFS_STORM=long
suite 'journal, simulated disk' 'cuts at any byte of the journal' '^$' overlay/diff/journal-crash
suite 'random operations' 'clean remounts, kills, power losses against a model in memory' \
  '[0-9]+ sequences, [0-9]+ operations' overlay/random-operations PBKFS_PROPERTY_RUNS=1000
suite 'power loss, overlay' 'ext4 and xfs shut down between any two system calls; forgotten syncs are noticed' \
  '\{"lives".*\}' trust/power-loss/overlay "PBKFS_POWER_LOSS_LIVES=$lives"
suite 'power loss, PostgreSQL' 'rows whose COMMIT returned, amcheck, checksums; a mount without fsync is noticed' \
  '[0-9]+ acknowledged$' trust/power-loss/postgres PBKFS_STORM=long "PBKFS_POWER_LOSS_ROUNDS=$rounds"
suite 'kill -9, PostgreSQL' 'of the mount process, its group, the lock holder; while mounting and unmounting' \
  '[0-9]+ acknowledged$' e2e/killed-mount "PBKFS_KILL_ROUNDS=$rounds"
suite 'kill -9, model' 'of the mount process under random system calls, while mounting, while unmounting; lost writes are noticed' \
  '[0-9]+ kills, [0-9]+ acknowledged' trust/killed-mount/model "PBKFS_KILL_LIVES=$((rounds * 2))"
suite 'another boot id' 'by a bind mount over that of the kernel, and --after-power-loss' '^$' trust/boot-id
suite 'chain locks' 'pg_probackup waits or refuses; a changed chain is EIO, logged and counted' '^$' e2e/chain-kept
suite 'full and failing disks' 'ENOSPC, EROFS, EIO reach the caller; the mount lives on' '^$' mount/endings-storage
suite 'full disk of a diff' 'filled to the last block: mounted, ended, killed, cut off from power, exported' '^$' mount/full-diff-disk

# Each mode reads every file of a fresh mount once; the fastest of three runs, taken in turns.
verify_rows=()
verify_cost() {
  node --input-type=module -e "
    const { copyCatalog } = await import('$root/dist/test/support/catalogs.js');
    await copyCatalog('mini', '$work');" || return 1
  mkdir "$work/mount"
  local mode try begun bytes
  declare -A best
  for try in 1 2 3; do
    for mode in off structure checksum; do
      rm -rf "$work/diff"
      node dist/src/cli/main.js mount -B "$work/catalog" -I a -i latest -D "$work/mount" -d "$work/diff" --verify="$mode" >/dev/null || return 1
      mounted=yes
      begun=$(date +%s%N)
      bytes=$(find "$work/mount" -type f -print0 | xargs -0 cat | wc -c)
      local took=$((($(date +%s%N) - begun) / 1000000))
      node dist/src/cli/main.js unmount -D "$work/mount" >/dev/null
      mounted=''
      [ -n "${best[$mode]:-}" ] && [ "${best[$mode]}" -le $took ] || best[$mode]=$took
    done
  done
  for mode in off structure checksum; do
    verify_rows+=("| \`--verify=$mode\` | ${best[$mode]} ms | $((bytes / 1000 / best[$mode])) MB/s |")
  done
}
verify_cost || failed=1

{
  cat <<'TEXT'
# What the promises rest on

Written by `scripts/trust.sh`: every row is what the command in it said. The promises are in
[ARCHITECTURE.md](../ARCHITECTURE.md), the reasons why the diff survives in [diff-format.md](diff-format.md).

TEXT
  printf 'Run on %s: pbkfs commit %s, Linux %s, Node %s, %s processors, load %s.\n\n' "$(date -u '+%Y-%m-%d %H:%M UTC')" \
    "$commit" "$(uname -r)" "$(node --version)" "$(nproc)" "$(cut -d' ' -f1 /proc/loadavg)"
  printf '| suite | what | checks | result | seconds | command |\n| --- | --- | --- | --- | --- | --- |\n'
  printf '%s\n' "${rows[@]}"
  for file in "${extra[@]}"; do grep -a '^|' "$file"; done
  # These were not run now, and maybe not on this commit.
  for file in "${extra[@]}"; do
    printf '\n%s: run by itself before, at %s.\n' "$(grep -a '^|' "$file" | cut -d'|' -f2 | paste -sd, | xargs)" \
      "$(date -u -r "$file" '+%Y-%m-%d %H:%M UTC')"
  done
  cat <<'TEXT'

## What verifying costs

All files of a freshly mounted backup read once (the chain of the fixture `mini`), the best of three runs. A page is
verified once; from then on the modes cost the same.

| mode | time | rate |
| --- | --- | --- |
TEXT
  printf '%s\n' "${verify_rows[@]}"
  cat <<'TEXT'

## How power loss is made

A file system on a loop device is shut down by ioctl (`EXT4_IOC_SHUTDOWN`, `XFS_IOC_GOINGDOWN`, nothing flushed), unmounted and
mounted again: what was not fsynced is gone, and its own journal is replayed. pbkfs is told by another boot id, or by
`--after-power-loss`. What this cannot show is a disk that acknowledges a flush and loses it.
TEXT
} >"$output"
echo "written: $output"
exit $failed
