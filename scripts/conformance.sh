#!/usr/bin/env bash
# Runs file-system conformance suites on a mount and writes docs/conformance.md from what they said.
#
#   scripts/conformance.sh --pjdfstest DIR --fsx FILE [--operations N] [--seeds N] [--output FILE]
#
# DIR is a built checkout of https://github.com/pjd/pjdfstest, FILE the fsx of xfstests. Needs root, prove, and `npm run build`.
# Raw output stays in a directory whose name is printed.
set -uo pipefail
cd "$(dirname "$0")/.."
root=$PWD
pjdfstest='' fsx='' operations=100000 seeds=5 output=$root/docs/conformance.md
while [ $# -gt 0 ]; do
  case $1 in
    --pjdfstest) pjdfstest=$(realpath "$2") ;;
    --fsx) fsx=$(realpath "$2") ;;
    --operations) operations=$2 ;;
    --seeds) seeds=$2 ;;
    --output) output=$2 ;;
    *) echo "unknown option $1" >&2; exit 2 ;;
  esac
  shift 2
done
[ -n "$pjdfstest$fsx" ] || { echo 'give --pjdfstest DIR, --fsx FILE, or both' >&2; exit 2; }

work=$(mktemp -d /tmp/pbkfs-conformance.XXXXXX)
mount=$work/mount
raw=$work/raw
mkdir "$mount" "$raw"
pbkfs=(node "$root/dist/src/cli/main.js")
rows=()
failed=0
trap '"${pbkfs[@]}" unmount -D "$mount" >/dev/null 2>&1' EXIT

# Everything below runs on the fixture catalog `mini`: a chain of FULL, DELTA, PAGE, DELTA.
node --input-type=module -e "
  const { copyCatalog } = await import('$root/dist/test/support/catalogs.js');
  await copyCatalog('mini', '$work');" || exit 1
"${pbkfs[@]}" mount -B "$work/catalog" -I a -i latest -D "$mount" -d "$work/diff" || exit 1

# row SUITE WHAT CHECKS RESULT SECONDS COMMAND
row() { rows+=("| $1 | $2 | $3 | $4 | $5 | \`$6\` |"); printf '%s: %s: %s\n' "$1" "$2" "$4"; }

run_pjdfstest() {
  local begun=$SECONDS directory=$mount/pjdfstest
  mkdir "$directory"
  (cd "$directory" && prove -rQ "$pjdfstest/tests") >"$raw/pjdfstest.txt" 2>&1
  local checks result bad
  checks=$(sed -nE 's/^Files=[0-9]+, Tests=([0-9]+),.*/\1/p' "$raw/pjdfstest.txt")
  bad=$(grep -oE 'Failed: [0-9]+' "$raw/pjdfstest.txt" | awk '{ sum += $2 } END { print sum + 0 }')
  result="$((${checks:-0} - bad)) of ${checks:-0}"
  if ! grep -q '^Result: PASS' "$raw/pjdfstest.txt"; then failed=1; fi
  row pjdfstest 'all of tests/' "${checks:-0}" "$result" $((SECONDS - begun)) 'prove -rQ tests'
  rm -rf "$directory"
}

# fsx_on WHAT FILE KEEP: with and without mmap, every seed.
fsx_on() {
  local what=$1 file=$2 keep=$3 begun good seed mode options log
  for mode in 'with mmap' 'without mmap'; do
    options=(-q -N "$operations")
    [ "$mode" = 'with mmap' ] || options+=(-W -R)
    [ "$keep" = no ] || options+=(-k)
    begun=$SECONDS good=0
    for ((seed = 1; seed <= seeds; seed++)); do
      log="$raw/fsx-${what// /-}-${mode// /-}-$seed.txt"
      if "$fsx" "${options[@]}" -S "$seed" "$file" >"$log" 2>&1; then good=$((good + 1)); else failed=1; fi
    done
    row fsx "$what, $mode" "$seeds × $operations" "$good of $seeds seeds" $((SECONDS - begun)) "fsx ${options[*]} -S SEED FILE"
  done
}

# The largest file of the backup below $1 that find's conditions select and fsx can keep in memory.
largest() { find "$mount/$1" -type f -size -400k "${@:2}" -printf '%s %p\n' | sort -n | tail -n 1 | cut -d' ' -f2-; }

[ -z "$pjdfstest" ] || run_pjdfstest
if [ -n "$fsx" ]; then
  segment=$(largest base -regex '.*/[0-9]+')
  raw_file=$(largest base -name '*_fsm')
  fsx_on 'new file' "$mount/fsx-new" no
  fsx_on 'relation segment of the backup' "$segment" yes
  fsx_on 'raw file of the backup' "$raw_file" yes
fi

{
  echo '# Conformance'
  echo
  echo "Written by \`scripts/conformance.sh\` on $(date -u +%Y-%m-%d): commit $(git describe --always --dirty), Linux $(uname -r),"
  echo "Node $(node --version), diff on $(stat -f -c %T "$work/diff"). Nothing on this page is typed by hand."
  echo
  [ -z "$pjdfstest" ] || echo "pjdfstest: commit $(git -C "$pjdfstest" rev-parse --short HEAD 2>/dev/null || echo unknown)."
  [ -z "$fsx" ] || echo "fsx: of xfstests, sha256 $(sha256sum "$fsx" | cut -c1-16)…; a run ends at the first wrong byte."
  echo
  echo '| suite | on | checks | passed | seconds | command |'
  echo '|---|---|---|---|---|---|'
  printf '%s\n' "${rows[@]}"
} >"$output"
echo "raw results: $raw; page: $output"
exit $failed
