// A copy of a diff that was mounted while it was copied. An object and its block map are files of their own: a block that was
// written between the copying of the one and of the other is in the map of the copy and not in its object, and would be
// read as zeros.

import { PbkfsError } from '../../errors.js';
import { pause } from '../../sys/pause.js';
import { isAlive, sameProcess, selfIdentity } from '../../sys/process-identity.js';
import { shellWord } from '../../sys/shell-word.js';
import type { Binding } from './binding.js';

/** A process that is being killed gives its lock up a moment before it counts as dead. */
const GRACE_MS = 500;
const POLL_MS = 20;

/**
 * For whoever has the diff locked: the process that its binding says to have it mounted holds another diff then.
 * @param forceGoesOn whether the command does its work all the same with --force
 * @throws PbkfsError diff_unsafe while that process lives; later nobody can tell
 */
export function refuseLiveCopy(diff: string, { lastMount }: Binding, forceGoesOn: boolean): void {
  if (lastMount.state !== 'mounted' || sameProcess(lastMount, selfIdentity())) return;
  const begun = performance.now();
  while (isAlive(lastMount)) {
    if (performance.now() - begun >= GRACE_MS) throw copied(diff, lastMount, forceGoesOn);
    pause(POLL_MS);
  }
}

function copied(diff: string, { pid, mountpoint }: Binding['lastMount'], forceGoesOn: boolean): PbkfsError {
  const force = forceGoesOn ? '; of a snapshot of the file system, which is of one moment, --force is right' : '';
  return new PbkfsError(
    'diff_unsafe',
    `the diff ${diff} is a copy of one that process ${pid} has mounted on ${mountpoint}: its files are of different moments, and blocks may be missing`,
    { hint: `unmount first (pbkfs unmount -D ${shellWord(mountpoint)}), and copy then${force}` },
  );
}
