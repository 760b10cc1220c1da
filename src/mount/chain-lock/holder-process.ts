// The process that holds the shared locks of a mounted chain: its pid is in the lock files, under the catalog's owner.
//
// It is a process of its own because pg_probackup must be allowed to signal the pid it finds, and because it sees the
// end of the mount process, a kill -9 too, and takes the locks off then: a pid left behind would one day be another's.

import { ENDING_SIGNALS } from '../../sys/ending-signals.js';
import { sayHello } from '../child-process.js';
import { toWire } from '../wire-error.js';
import { releaseShared, takeShared } from './lock-files.js';
import { type FromHolder, NOT_ITS_OWNER, type Take, type Unlocked } from './messages.js';

/** Whoever holds the exclusive lock while we release waits for this process to end, which it then does. */
const RELEASE_WAIT_MS = 2000;

const held: string[] = [];
const answer = (message: FromHolder): void => {
  // A mount process that is just being killed hears nothing any more: an error nobody takes would end this one with its
  // pid left in the lock files.
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
};

// Signals to everybody (a shutdown, Ctrl-C) are for the mount process; the end of its channel is what ends this one.
for (const signal of ENDING_SIGNALS) process.on(signal, () => undefined);

sayHello();

let taking: Promise<void> = Promise.resolve();
process.once('message', (message: Take) => {
  taking = take(message);
});
process.once('disconnect', () => {
  taking.then(release).finally(() => process.exit());
});

async function take({ directories, owner, waitMs }: Take): Promise<void> {
  try {
    const unlocked =
      owner === undefined || become(owner)
        ? await takeAll(directories, waitMs)
        : directories.map((directory) => ({ directory, code: NOT_ITS_OWNER }));
    answer({ kind: 'held', unlocked });
  } catch (error) {
    await release();
    answer({ kind: 'failed', error: toWire(error) });
    process.disconnect();
  }
}

async function takeAll(directories: readonly string[], waitMs: number): Promise<Unlocked[]> {
  const unlocked: Unlocked[] = [];
  const deadline = performance.now() + waitMs;
  for (const directory of directories) {
    try {
      await takeShared(directory, Math.max(0, deadline - performance.now()));
      held.push(directory);
    } catch (error) {
      const { code = 'unknown' } = error as NodeJS.ErrnoException;
      if (!CANNOT_BE_WRITTEN.has(code)) throw error;
      unlocked.push({ directory, code });
    }
  }
  return unlocked;
}

const CANNOT_BE_WRITTEN = new Set(['EROFS', 'EACCES', 'EPERM', 'ENOSPC', 'EDQUOT']);

/** @returns false where even root may not: in a container without CAP_SETUID, in a user namespace without that user */
function become({ uid, gid }: { uid: number; gid: number }): boolean {
  try {
    process.setgroups?.([gid]);
    process.setgid?.(gid);
    process.setuid?.(uid);
    return true;
  } catch {
    return false;
  }
}

async function release(): Promise<void> {
  const deadline = performance.now() + RELEASE_WAIT_MS;
  for (const directory of held.splice(0).reverse()) {
    try {
      await releaseShared(directory, Math.max(0, deadline - performance.now()));
    } catch {
      // The pid of a process that has ended counts for nothing.
    }
  }
}
