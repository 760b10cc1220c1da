#!/usr/bin/env bash
# Builds and tests a clean clone of this commit under other versions of Node, which come from npm (package `node`).
# By hand; as root for the tests that mount.
#
#   scripts/node-versions.sh [--tests GLOB] MAJOR...
#
# --tests  files of dist/test to run, such as 'dist/test/fs/*.test.js'; default: all of them
# One line a version is printed at the end: `Node v26.10.0: N passed, N failed`. What failed stays in a directory whose name is
# printed. Exit status 0: nothing failed.
set -uo pipefail
cd "$(dirname "$0")/.."
root=$PWD
. scripts/tap-summary.sh
tests=''
majors=()
while [ $# -gt 0 ]; do
  case $1 in
    --tests) tests=${2:?}; shift ;;
    [0-9]*) majors+=("$1") ;;
    *) echo "unknown option $1" >&2; exit 2 ;;
  esac
  shift
done
[ ${#majors[@]} -gt 0 ] || { echo 'give the majors of Node to test with, such as 22 24 26' >&2; exit 2; }

work=$(mktemp -d /tmp/pbkfs-node-versions.XXXXXX)
# The servers of the tests run as another user, who must reach the files.
chmod 755 "$work"
verdicts=()
bad=0
for major in "${majors[@]}"; do
  log=$work/node-$major.tap
  if ! npm install --silent --no-audit --no-fund --prefix "$work/node-$major" "node@$major" >"$log" 2>&1; then
    verdicts+=("Node $major: not installed, see $log")
    bad=1
    continue
  fi
  # Programs of the tests find this one by `node` and by process.execPath.
  under() { (cd "$work/clone" && PATH=$work/node-$major/node_modules/node/bin:$PATH CI=true "$@" </dev/null); }
  rm -rf "$work/clone"
  git clone --quiet "$root" "$work/clone"
  version=$(under node --version)
  echo "== Node $version: $log"
  if ! { under npm ci --no-audit --no-fund && under npm run build; } >"$log" 2>&1; then
    verdicts+=("Node $version: not built, see $log")
    bad=1
    continue
  fi
  # shellcheck disable=SC2086 # the glob is to be expanded, in the clone
  under bash -c "npm run --silent test:tap -- --reporter=tap $tests" >"$log" 2>&1
  status=$?
  passed=$(tap_count "$log" pass) failed=$(tap_count "$log" fail)
  # A run that broke off must not look like success.
  if [ "$status" != 0 ] && [ "${failed:-0}" = 0 ]; then failed=1; fi
  verdicts+=("Node $version: ${passed:-0} passed, ${failed:-0} failed")
  if [ "${failed:-0}" != 0 ] || [ "${passed:-0}" = 0 ]; then
    grep -aE '^not ok |^ +not ok ' "$log" | head -n 20
    bad=1
  else
    rm -rf "$log" "$work/node-$major"
  fi
done
rm -rf "$work/clone"
printf '%s\n' "${verdicts[@]}"
if [ "$bad" = 0 ]; then rm -rf "$work"; else echo "logs: $work"; fi
exit "$bad"
