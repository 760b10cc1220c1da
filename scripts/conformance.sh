#!/usr/bin/env bash
# Runs file-system conformance suites on a mount and writes docs/conformance.md from what they said.
#
#   scripts/conformance.sh [--pjdfstest DIR] [--fsx FILE] [--xfstests DIR] [--storms] [--storm TEST] [--operations N] [--seeds N]
#                          [--passthrough] [--tests LIST] [--limit SECONDS] [--results DIR] [--output FILE]
#
# --pjdfstest  a built checkout of https://github.com/pjd/pjdfstest
# --fsx        the fsx of xfstests
# --xfstests   a built checkout of https://github.com/kdave/xfstests; wants the users fsgqa, fsgqa2 and 123456-fsgqa. Tests that
#              fail run once more on libfuse's passthrough_ll (Debian: libfuse3-dev); scripts/xfstests-causes.txt says why they fail
# --passthrough  the three on a mount with that option, as parts of their own; fsx on new files alone: those of the backup are served as ever
# --tests      which of its tests, as its ./check takes them (-g generic/quick); with --results those that ran before are kept on the page
# --limit      seconds that one of them may take (600)
# --storms     the long forms of the tests that put a mount under load (PBKFS_STORM=long); the largest takes half an hour and more
# --storm      one of them alone, like test/fs/listing
# --results    keeps the results of each suite there: a later run of one suite replaces its part of the page, the others stay
#
# Needs root, prove, and `npm run build`. Raw output stays in a directory whose name is printed.
set -uo pipefail
cd "$(dirname "$0")/.."
root=$PWD
pjdfstest='' fsx='' xfstests='' tests='-g generic/quick' limit=600 storms=() passthrough=() operations=100000 seeds=5 results='' output=$root/docs/conformance.md
while [ $# -gt 0 ]; do
  case $1 in
    --storms) storms=(test/fs/listing test/mount/slow-storage test/e2e/initdb test/fs/storms); shift; continue ;;
    --passthrough) passthrough=(--passthrough); shift; continue ;;
    --storm) storms+=("$2") ;;
    --pjdfstest) pjdfstest=$(realpath "$2") ;;
    --fsx) fsx=$(realpath "$2") ;;
    --xfstests) xfstests=$(realpath "$2") ;;
    --tests) tests=$2 ;;
    --limit) limit=$2 ;;
    --operations) operations=$2 ;;
    --seeds) seeds=$2 ;;
    --results) results=$(realpath -m "$2") ;;
    --output) output=$(realpath -m "$2") ;;
    *) echo "unknown option $1" >&2; exit 2 ;;
  esac
  shift 2
done
[ -n "${storms[*]}$pjdfstest$fsx$xfstests" ] || { echo 'give --pjdfstest DIR, --fsx FILE, --xfstests DIR, --storms, or several of them' >&2; exit 2; }

work=$(mktemp -d /tmp/pbkfs-conformance.XXXXXX)
mount=$work/mount
raw=$work/raw
mkdir "$mount" "$raw"
results=${results:-$work/results}
mkdir -p "$results"
pbkfs=(node "$root/dist/src/cli/main.js")
# Of the program that is tested, whatever is committed or landed while it runs.
commit=$(git describe --always --dirty)
rows=()
failed=0
trap '"${pbkfs[@]}" unmount -D "$mount" >/dev/null 2>&1; umount "$work"/xfstests/{test,scratch} 2>/dev/null' EXIT

# The suites below run on the fixture catalog `mini`: a chain of FULL, DELTA, PAGE, DELTA.
node --input-type=module -e "
  const { copyCatalog } = await import('$root/dist/test/support/catalogs.js');
  await copyCatalog('mini', '$work');" || exit 1
[ "$pjdfstest$fsx" = '' ] || "${pbkfs[@]}" mount -B "$work/catalog" -I a -i latest -D "$mount" -d "$work/diff" "${passthrough[@]}" || exit 1
[ ${#passthrough[@]} = 0 ] || [ "$pjdfstest$fsx" = '' ] || grep -q PASSTHROUGH "$mount/.pbkfs/status.json" || { echo 'no passthrough here' >&2; exit 1; }

# row CELL...: a row of the suite's table.
row() { local cells; printf -v cells ' %s |' "$@"; rows+=("|$cells"); printf '%s: %s: %s\n' "$1" "$2" "$3"; }

# part NUMBER TITLE ABOUT COLUMN...: writes the suite's part of the page from its rows.
part() {
  local file=$results/$1-${2//[: ]/-}.md
  {
    printf '## %s\n\n%s\n' "$2" "$3"
    printf 'Run on %s: pbkfs commit %s, Linux %s, Node %s, diff on %s, %s processors.\n\n' "$(date -u '+%Y-%m-%d %H:%M UTC')" \
      "$commit" "$(uname -r)" "$(node --version)" "$(stat -f -c %T "$work")" "$(nproc)"
    shift 3
    printf '|'; printf ' %s |' "$@"; printf '\n|'; printf -- ' --- |%.0s' "$@"; printf '\n'
    printf '%s\n' "${rows[@]}"
  } >"$file"
  rows=()
}

run_pjdfstest() {
  local begun=$SECONDS directory=$mount/pjdfstest
  mkdir "$directory"
  (cd "$directory" && prove -rv "$pjdfstest/tests") >"$raw/pjdfstest.txt" 2>&1
  local checks good files skipped
  checks=$(sed -nE 's/^Files=[0-9]+, Tests=([0-9]+),.*/\1/p' "$raw/pjdfstest.txt")
  good=$(grep -cE '^ok |^not ok .*# TODO' "$raw/pjdfstest.txt")
  files=$(sed -nE 's/^Files=([0-9]+),.*/\1/p' "$raw/pjdfstest.txt")
  # A file that does not apply here has one check that always passes.
  skipped=$(grep -cE '^1\.\.1$' "$raw/pjdfstest.txt")
  grep -q '^Result: PASS' "$raw/pjdfstest.txt" || failed=1
  row 'all of tests/' "${checks:-0}" "$good of ${checks:-0}" $((SECONDS - begun)) '`prove -rv tests`'
  # What failed is a row of its own; the page has no other list of it.
  while read -r line; do row "$line" 1 failed '' ''; done < <(grep -E '^not ok ' "$raw/pjdfstest.txt" | grep -v '# TODO')
  part 1 "pjdfstest${passthrough:+ with $passthrough}" "[pjdfstest](https://github.com/pjd/pjdfstest), commit $(git -C "$pjdfstest" rev-parse --short HEAD 2>/dev/null || echo unknown), as root in a directory of the mount; ${files:-no} files of tests, of which the suite itself skips ${skipped:-0} (calls and rules of other systems)." \
    on checks passed seconds command
  rm -rf "$directory"
}

# Ways to call fsx: name, options.
fsx_modes=(
  'with mmap|'
  'without mmap|-W -R'
  'aio|-A'
  'io_uring|-U'
  'O_DIRECT|-Z -R -W -r 4096 -w 4096'
  'O_DIRECT and aio|-Z -A -R -W -r 4096 -w 4096'
)

# fsx_on WHAT KEEP FILE...: every seed in every mode, each run on the next of the files.
fsx_on() {
  local what=$1 keep=$2 begun good seed mode options log
  shift 2
  for mode in "${fsx_modes[@]}"; do
    # shellcheck disable=SC2206
    options=(-q -N "$operations" ${mode#*|})
    mode=${mode%%|*}
    [ "$keep" = no ] || options+=(-k)
    begun=$SECONDS good=0
    for ((seed = 1; seed <= seeds; seed++)); do
      log="$raw/fsx-${what// /-}-${mode// /-}-$seed.txt"
      if "$fsx" "${options[@]}" -S "$seed" -P "$raw" "$1" >"$log" 2>&1; then good=$((good + 1)); else failed=1; fi
      shift
    done
    row "$what, $mode" "$seeds × $operations" "$good of $seeds seeds" $((SECONDS - begun)) "\`fsx ${options[*]} -S SEED FILE\`"
  done
}

# The largest files of the backup that find's conditions select and fsx can keep in memory: one for each run.
largest() { find "$mount/base" -type f -size -400k "$@" -printf '%s %p\n' | sort -rn | head -n $((${#fsx_modes[@]} * seeds)) | cut -d' ' -f2-; }

run_fsx() {
  local segments raw_files new=() n
  mapfile -t segments < <(largest -regex '.*/[0-9]+')
  mapfile -t raw_files < <(largest -regex '.*/[0-9]+_\(fsm\|vm\)')
  for ((n = 1; n <= ${#fsx_modes[@]} * seeds; n++)); do new+=("$mount/fsx-new-$n"); done
  fsx_on 'new file' no "${new[@]}"
  if [ ${#passthrough[@]} = 0 ]; then
    fsx_on 'relation segment of the backup' yes "${segments[@]}"
    fsx_on 'raw file of the backup' yes "${raw_files[@]}"
  fi
  part 2 "fsx${passthrough:+ with $passthrough}" "fsx of [xfstests](https://github.com/kdave/xfstests) (binary sha256 $(sha256sum "$fsx" | cut -c1-16)…): random reads, writes, truncates, allocations and holes; a run ends at the first wrong byte. Each run has a file of its own; files of the backup begin with what the backup has." \
    on operations passed seconds command
}

# xfstests_on SERVER TEST SCRATCH LIST...: runs ./check on mounts of that type and keeps what it said, so that runs add up.
xfstests_on() {
  local server=$1 test=$2 scratch=$3 area=$work/xfstests log
  shift 3
  log=$results/xfstests-$server${passthrough:-}/$(date -u '+%Y%m%d-%H%M%S').log
  mkdir -p "${log%/*}" "$area/bin" "$area/test" "$area/scratch" "$area/diff"
  ln -sf "$root/scripts/xfstests-mount.sh" "$area/bin/mount"
  # A copy that ends a test which hangs, and takes type fuse.pbkfs for the fuse that it knows.
  [ -d "$area/suite" ] || {
    cp -a "$xfstests" "$area/suite" && rm -rf "$area/suite/results" "$area/suite/local.config"
    sed -i "s/local cmd=(bash -c/local cmd=(timeout -k 10 $limit bash -c/" "$area/suite/check"
    sed -i "s/'s\/fuse.glusterfs\/glusterfs\/'/'s\/fuse[.]pbkfs\/fuse\/'/" "$area/suite/common/rc"
  }
  printf 'pbkfs commit %s\n' "$commit" >"$log"
  (
    export PATH="$area/bin:$PATH" XFSTESTS_WORK=$area XFSTESTS_PBKFS=$root/dist/src/cli/main.js XFSTESTS_OPTIONS=${passthrough:-} XFSTESTS_PASSTHROUGH=$work/passthrough_ll
    export FSTYP=fuse FUSE_SUBTYP=.$server TEST_DEV=$test SCRATCH_DEV=$scratch TEST_DIR=$area/test SCRATCH_MNT=$area/scratch
    cd "$area/suite" && ./check "$@"
  ) >>"$log" 2>&1
  umount "$area/test" "$area/scratch" 2>/dev/null
}

# xfstests_results SERVER: of each test the last outcome in the logs: name, passed, failed, hung or not run, seconds, commit.
xfstests_results() {
  cat "$results/xfstests-$1${passthrough:-}"/*.log 2>/dev/null | tr '\r' '\n' | awk '
    /^pbkfs commit / { commit = $3 }
    /^generic\/[0-9]+ / {
      outcome = /\[not run\]/ ? "not run" : /exit status 124/ ? "hung" : /mismatch|\[failed|_check_/ ? "failed" : /[0-9]s *$/ ? "passed" : ""
      if (outcome != "") { seconds = $NF; sub(/s$/, "", seconds); last[$1] = outcome "\t" (outcome == "passed" ? seconds : 0) "\t" commit }
    }
    END { for (test in last) print test "\t" last[test] }' | sort
}

run_xfstests() {
  local area=$work/xfstests instance bad unknown run passed skipped all test peer cause
  mkdir -p "$area"
  # Some of the tests act as fsgqa.
  chmod 755 "$work"
  # xfstests finds a mount by its source, which must be the only one of that name on the machine.
  instance=xfstests-${work##*.}
  node --input-type=module -e "
    const { copyCatalog } = await import('$root/dist/test/support/catalogs.js');
    await copyCatalog('mini', '$area');" || exit 1
  mv "$area/catalog/backups/a" "$area/catalog/backups/$instance" && mv "$area/catalog/wal/a" "$area/catalog/wal/$instance"
  # shellcheck disable=SC2086
  xfstests_on pbkfs "pbkfs:$instance/TOU5PO" "pbkfs:$instance/TOU5P9" $tests
  mapfile -t bad < <(xfstests_results pbkfs | awk -F '\t' '$2 == "failed" || $2 == "hung" { print $1 }')
  mapfile -t unknown < <(comm -23 <(printf '%s\n' "${bad[@]}" | sort) <(xfstests_results passthrough_ll | cut -f1 | sort))
  local example=/usr/share/doc/libfuse3-dev/examples/passthrough_ll.c
  # shellcheck disable=SC2046
  if [ ${#unknown[@]} -gt 0 ] && cc -O2 "$example" $(pkg-config fuse3 --cflags --libs) -o "$work/passthrough_ll" 2>"$raw/passthrough_ll.txt"; then
    xfstests_on passthrough_ll "xfstests-test-${work##*.}" "xfstests-scratch-${work##*.}" "${unknown[@]}"
  fi
  all=$(xfstests_results pbkfs | wc -l)
  skipped=$(xfstests_results pbkfs | grep -c $'\tnot run\t')
  passed=$(xfstests_results pbkfs | grep -c $'\tpassed\t')
  run=$((all - skipped))
  [ "$run" -gt 0 ] || failed=1
  row all "$passed of $run" "$(xfstests_results pbkfs | awk -F '\t' '{ sum += $3 } END { print sum }')" '' ''
  for test in "${bad[@]}"; do
    peer=$(xfstests_results passthrough_ll | awk -F '\t' -v test="$test" '$1 == test { print $2 }')
    cause=$(sed -n "s|^$test ||p" scripts/xfstests-causes.txt)
    [ -n "$cause" ] || failed=1
    row "$test" "$(xfstests_results pbkfs | awk -F '\t' -v test="$test" '$1 == test { print $2 }')" '' "${peer:-not run}" "${cause:-not known}"
  done
  part 2 "xfstests${passthrough:+ with $passthrough}" "[xfstests](https://github.com/kdave/xfstests), commit $(git -C "$xfstests" rev-parse --short HEAD 2>/dev/null || echo unknown), on two mounts (test and scratch); of $all tests the suite itself skips $skipped, which want a block device or something that FUSE does not have. What fails is run once more on libfuse's passthrough_ll; why it fails stands in \`scripts/xfstests-causes.txt\`. The outcomes are of pbkfs commits $(xfstests_results pbkfs | cut -f4 | sort -u | paste -sd ' ')." \
    on passed seconds 'on passthrough_ll' why
}

# From TAP of tap 21: a line for every test without tests of its own: result, name, seconds, what it has measured.
storm_rows() {
  awk '
    { match($0, /^ */); depth = RLENGTH / 4 }
    /^ *# Subtest: / { leaf[depth - 1] = 0; leaf[depth] = 1; measured[depth] = "" }
    /^ *# measured: / { text = $0; sub(/^ *# measured: /, "", text); measured[depth - 1] = text }
    /^ *(not )?ok [0-9]+ - .* # time=[0-9.]+ms/ && leaf[depth] {
      name = $0; sub(/^ *(not )?ok [0-9]+ - /, "", name); time = name
      sub(/ # time=.*/, "", name); sub(/.* # time=/, "", time)
      printf "%s\t%s\t%.0f\t%s\n", ($0 ~ /^ *not ok/ ? "failed" : "passed"), name, time / 1000, measured[depth]
      leaf[depth] = 0
    }' "$1"
}

run_storms() {
  local file result name seconds measured
  for file in "${storms[@]}"; do
    PBKFS_STORM=long node "dist/$file.test.js" >"$raw/${file##*/}.tap" || failed=1
    while IFS=$'\t' read -r result name seconds measured; do
      row "$name" "$result" "${measured:-}" "$seconds"
    done < <(storm_rows "$raw/${file##*/}.tap")
    part 3 "storms: ${file##*/}" "\`$file.test.ts\` in its long form: \`PBKFS_STORM=long node dist/$file.test.js\`." \
      test result measured seconds
  done
}

[ -z "$pjdfstest" ] || run_pjdfstest
[ -z "$fsx" ] || run_fsx
[ -z "$xfstests" ] || run_xfstests
[ ${#storms[@]} = 0 ] || run_storms

{
  echo '# Conformance'
  echo
  echo 'Written by `scripts/conformance.sh` from what the suites said; nothing on this page is typed by hand.'
  for file in "$results"/*.md; do echo; cat "$file"; done
} >"$output"
echo "raw results: $raw; page: $output"
exit $failed
