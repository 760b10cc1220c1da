#!/usr/bin/env bash
# The `mount` that xfstests finds first in PATH when scripts/conformance.sh runs it: mounts of type fuse.pbkfs and
# fuse.passthrough_ll are made here, so that nothing has to be installed in /sbin; everything else is mount(8)'s.
#
# Source of a pbkfs mount: pbkfs:INSTANCE/BACKUP, as the kernel shows it. From the environment: XFSTESTS_WORK (there lie catalog and
# diffs), XFSTESTS_PBKFS (the program's main.js), XFSTESTS_OPTIONS (one more option of its mount, or empty), XFSTESTS_PASSTHROUGH (the C
# server).
set -u
# Where util-linux has it, whatever PATH says.
mount8=/bin/mount
given=("$@") type='' options='' plain=()
while [ $# -gt 0 ]; do
  case $1 in
    -t) type=$2; shift ;;
    -o) options=$options,$2; shift ;;
    -t*) type=${1#-t} ;;
    -o*) options=$options,${1#-o} ;;
    -*) ;;
    *) plain+=("$1") ;;
  esac
  shift
done
case $options, in
  # Not by a helper: the kernel alone can change the flags of a mount.
  *,remount,*) exec "$mount8" -i "${given[@]}" ;;
esac
case $type in
  fuse.pbkfs)
    source=${plain[0]} directory=${plain[1]} new=''
    instance=${source#pbkfs:} backup=${source##*/}
    diff=$XFSTESTS_WORK/diff/$backup
    [ -d "$diff" ] || new=yes
    node "$XFSTESTS_PBKFS" mount -B "$XFSTESTS_WORK/catalog" -I "${instance%/*}" -i "$backup" -D "$directory" -d "$diff" \
      ${XFSTESTS_OPTIONS:+"$XFSTESTS_OPTIONS"} >/dev/null || exit 32
    # With a warning it mounts without.
    [ "${XFSTESTS_OPTIONS:-}" != --passthrough ] || grep -q PASSTHROUGH "$directory/.pbkfs/status.json" || exit 32
    # The tests want a directory of their own that other users may enter, not a cluster.
    [ -z "$new" ] || { rm -rf "${directory:?}"/* && chmod 755 "$directory"; }
    case $options, in *,ro,*) "$mount8" -i -o remount,ro "$directory" ;; esac
    ;;
  fuse.passthrough_ll)
    mkdir -p "$XFSTESTS_WORK/source/${plain[0]}"
    "$XFSTESTS_PASSTHROUGH" -o "fsname=${plain[0]}" "${plain[1]}" \
      -o "source=$XFSTESTS_WORK/source/${plain[0]},allow_other,default_permissions"
    case $options, in *,ro,*) "$mount8" -i -o remount,ro "${plain[1]}" ;; esac
    ;;
  *) exec "$mount8" "${given[@]}" ;;
esac
