// A server in a mount namespace of its own, in which some paths of this host lead to directories of the mount: what
// replaying CREATE TABLESPACE does at an absolute path then happens there, and nobody outside sees those mounts.

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { existingPart } from '../sys/existing-part.js';
import { programPath } from '../sys/program-path.js';
import type { ServerUser } from './server-user.js';

/** In the server's view `path` is `directory`; both absolute. `path` need not exist on this host. */
export interface PathBinding {
  readonly path: string;
  readonly directory: string;
}

/*
 * Arguments: the uid, the gid, an empty directory for a root, the mount point of our own mount, the number of bindings, each
 * as four (the directory, the path, what of the path there is, whether that is all), then the command.
 *
 * Mounts go one way: what is unmounted outside goes here too, where the host shares its mounts; other mounts of pbkfs
 * are let go at once, so that the server does not hold them where the host does not.
 *
 * Where a path does not exist, its parent is replaced by a tmpfs with everything the parent holds bound into it, and
 * the path made there; what stands for "/" becomes the server's root.
 */
const SCRIPT = `
set -eu
PATH=$PATH:/usr/sbin:/sbin
uid=$1 gid=$2 stage=$3 own=$4 count=$5
shift 5
while read -r _ _ _ _ point rest; do
  point=$(printf %b "$point")
  case "$rest" in *" - fuse.pbkfs "*) [ "$point" = "$own" ] || umount -l "$point" || : ;; esac
done </proc/self/mountinfo
root=
replace() {
  mount -t tmpfs -o mode=755 pbkfs "$2"
  chmod --reference="\${1:-/}" "$2"
  chown --reference="\${1:-/}" "$2"
  for entry in "$1"/* "$1"/.[!.]* "$1"/..?*; do
    name=$2/\${entry##*/}
    if [ -L "$entry" ]; then ln -s "$(readlink "$entry")" "$name"
    elif [ -d "$entry" ]; then mkdir "$name" && mount --rbind "$entry" "$name"
    elif [ -e "$entry" ]; then : >"$name" && mount --bind "$entry" "$name"
    fi
  done
}
while [ "$count" -gt 0 ]; do
  directory=$1 path=$2 there=$3 whole=$4
  shift 4
  count=$((count - 1))
  if [ "$whole" = no ] && [ ! -d "$root$path" ]; then
    if [ "$there" = / ]; then
      if [ -z "$root" ]; then replace "" "$stage" && root=$stage; fi
    else
      mkdir -p "$stage.part"
      replace "$root$there" "$stage.part"
      mount --move "$stage.part" "$root$there"
    fi
    mkdir -p "$root$path"
  fi
  mount --bind "$directory" "$root$path"
done
exec chroot "\${root:-/}" setpriv --reuid "$uid" --regid "$gid" --clear-groups -- "$@"
`;

/** Why no such namespace can be made here; undefined where it can. */
export function whyNoNamespace(): string | undefined {
  if (process.getuid?.() !== 0) return 'only root can give the server a mount namespace of its own';
  try {
    execFileSync('unshare', ['--mount', '--propagation', 'slave', 'setpriv', '--version'], {
      stdio: 'ignore',
      env: { ...process.env, PATH: programPath() },
    });
    return undefined;
  } catch (error) {
    return `"unshare --mount" of util-linux does not work here: ${(error as Error).message}`;
  }
}

/**
 * The command that runs `command` as `user` with these bindings; it becomes that program, under the same process id.
 * @param stage an empty directory of the caller's, in which mounts may be made
 * @param own the mount point that the directories lie on
 */
export function inNamespace(
  bindings: readonly PathBinding[],
  user: ServerUser,
  stage: string,
  own: string,
  command: readonly string[],
): [program: string, args: string[]] {
  const placed = bindings.flatMap(({ path, directory }) => {
    const { there, rest } = existingPart(path);
    return [directory, join(there, rest), there, rest === '' ? 'yes' : 'no'];
  });
  const counts = [String(user.uid), String(user.gid), stage, own, String(bindings.length)];
  const shell = ['sh', '-c', SCRIPT, 'pbkfs-namespace', ...counts, ...placed, ...command];
  return ['unshare', ['--mount', '--propagation', 'slave', '--', ...shell]];
}
