#!/usr/bin/env bash
# Tests this commit on other Linux kernels than the machine's: those of Debian's package user-mode-linux, of the releases given. Such
# a kernel runs as a program, with one CPU; no virtualization is needed. By hand; as root, on Debian of amd64; some
# 6 GB below /tmp. Slow: every system call of a test goes through ptrace.
#
#   scripts/kernels.sh [--tests GLOB] RELEASE...        bullseye (5.10), bookworm (6.1), trixie (6.12), sid
#
# --tests  files of dist/test to run, such as 'dist/test/fs/*.test.js'; default: a choice that takes half an hour a kernel
# One line a kernel is printed at the end: `Linux 6.1.176: N passed, N failed`. What failed stays in a directory whose name is
# printed. Exit status 0: nothing failed.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
. scripts/tap-summary.sh
mirror=http://deb.debian.org/debian
# With files, names, servers, kills and mounts of every kind.
tests='dist/test/e2e/backups-bundled.test.js dist/test/e2e/life.test.js dist/test/e2e/killed-mount.test.js dist/test/e2e/workload.test.js
  dist/test/e2e/fsync-walk.test.js dist/test/fs/operations-*.test.js dist/test/fs/listing.test.js dist/test/fs/limits.test.js
  dist/test/fs/virtual-files.test.js dist/test/mount/unmount/unmount.test.js dist/test/mount/flags.test.js dist/test/mount/passthrough.test.js'
releases=()
while [ $# -gt 0 ]; do
  case $1 in
    --tests) tests=${2:?}; shift ;;
    [a-z]*) releases+=("$1") ;;
    *) echo "unknown option $1" >&2; exit 2 ;;
  esac
  shift
done
[ ${#releases[@]} -gt 0 ] || { echo 'give releases of Debian, such as bullseye bookworm trixie sid' >&2; exit 2; }
for program in debootstrap patchelf depmod mke2fs e2fsck debugfs curl xz; do
  command -v $program >/dev/null || { echo "$program is not installed (Debian: apt-get install debootstrap patchelf kmod e2fsprogs curl xz-utils)" >&2; exit 2; }
done

work=$(mktemp -d /tmp/pbkfs-kernels.XXXXXX)
trap '[ -z "${kernel:-}" ] || kill -9 "$kernel" 2>/dev/null || true' EXIT

# The newest package of a release, unpacked below $work/RELEASE.
unpack() { # RELEASE PACKAGE
  local path
  path=$(curl -sf "$mirror/dists/$1/main/binary-amd64/Packages.xz" | xz -dc | awk -v p="$2" '/^Package: /{n=$2} /^Filename: /&&n==p{f=$2} END{print f}')
  [ -n "$path" ] || { echo "Debian $1 has no package $2" >&2; exit 1; }
  curl -sf -o "$work/package.deb" "$mirror/$path"
  dpkg-deb -x "$work/package.deb" "$work/$1"
}

echo "== a system to run in: $work"
system=$work/system
debootstrap --variant=minbase --include=procps,kmod,iproute2,e2fsprogs,fuse3,strace,passwd,python3-minimal,zstd,libxml2,git,attr,lsof,psmisc,tzdata \
  bookworm "$system" "$mirror" >"$work/debootstrap.log"
cp "$(readlink -f "$(command -v node)")" "$system/usr/bin/node"
git clone --quiet "$root" "$system/repo"
(cd "$system/repo" && npm ci --silent --no-audit --no-fund && npm run --silent build) >"$work/build.log" 2>&1
printf '%s\n' "$tests" >"$system/tests"
cat >"$system/init" <<'INIT'
#!/bin/bash
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 CI=true
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev; mount -o remount,rw /
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts; mount -t tmpfs -o mode=1777 shm /dev/shm; mount -t tmpfs -o mode=755 run /run
for n in fd:fd stdin:fd/0 stdout:fd/1 stderr:fd/2; do ln -sfn "/proc/self/${n#*:}" "/dev/${n%%:*}"; done
ip link set lo up; modprobe fuse; modprobe loop; chmod 1777 /tmp; mkdir -p /run/lock
tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id
cd /repo && node_modules/.bin/tap --timeout=3600 --jobs=1 --disable-coverage --reporter=tap $(cat /tests) >/result 2>&1 </dev/null
echo "exit status $?" >>/result
uname -r >/kernel
sync; mount -o remount,ro /; poweroff -f
INIT
chmod 755 "$system/init" "$work"

verdicts=()
bad=0
for release in "${releases[@]}"; do
  unpack "$release" user-mode-linux
  unpack "$release" libc6
  libc=$(dirname "$(find "$work/$release" -name libc.so.6 | head -n 1)")
  patchelf --set-interpreter "$libc/ld-linux-x86-64.so.2" --set-rpath "$libc" "$work/$release/usr/bin/linux.uml"
  mkdir -p "$system/lib/modules"
  cp -r "$work/$release"/usr/lib/uml/modules/* "$system/lib/modules/"
  depmod -b "$system" "$(ls "$work/$release/usr/lib/uml/modules")"
  disk=$work/$release.img
  mke2fs -q -t ext4 -d "$system" "$disk" 24G
  echo "== $release"
  mkdir -p "$work/$release/tmp"
  TMPDIR=$work/$release/tmp "$work/$release/usr/bin/linux.uml" ubd0="$disk" root=/dev/ubda rw init=/init mem=4G con=null con0=null,fd:1 \
    umid="$release" uml_dir="$work/$release/" >"$work/$release.console" 2>&1 </dev/null &
  kernel=$!
  wait "$kernel" || true
  kernel=''
  e2fsck -fy "$disk" >/dev/null 2>&1 || true
  log=$work/$release.tap
  debugfs -R "dump /result $log" "$disk" 2>/dev/null
  version=$(debugfs -R 'cat /kernel' "$disk" 2>/dev/null)
  rm -f "$disk"
  passed=$(tap_count "$log" pass || true) failed=$(tap_count "$log" fail || true)
  # A run that broke off must not look like success.
  if ! grep -aqx 'exit status 0' "$log" && [ "${failed:-0}" = 0 ]; then failed=1; fi
  verdicts+=("Linux ${version:-of $release}: ${passed:-0} passed, ${failed:-0} failed")
  if [ "${failed:-0}" != 0 ] || [ "${passed:-0}" = 0 ]; then
    grep -aE '^not ok |^ +not ok ' "$log" | head -n 20 || true
    bad=1
  fi
done
rm -rf "$system"
printf '%s\n' "${verdicts[@]}"
if [ "$bad" = 0 ]; then rm -rf "$work"; else echo "logs: $work"; fi
exit "$bad"
