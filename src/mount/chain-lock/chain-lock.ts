// Keeping pg_probackup from deleting or merging the backups of a mounted chain: by its own shared locks.

import type { ChildProcess } from 'node:child_process';
import { statSync } from 'node:fs';
import { displayPath, pathBytes } from '../../backup/byte-path.js';
import type { Chain } from '../../backup/index.js';
import { PbkfsError } from '../../errors.js';
import { answerOf, type Ending, keepRunning } from '../child-process.js';
import { fromWire } from '../wire-error.js';
import { dismissSpareHolder, takeHolder } from './holder.js';
import { type FromHolder, NOT_ITS_OWNER, type Take, type Unlocked } from './messages.js';

/** How long a mount waits for a delete, merge or status change that is under way, in ms. */
const WAIT_MS = 5000;
/** How long the end of a mount waits for the locks to be taken off. */
const RELEASE_MS = 3000;

export interface ChainLock {
  /** What is not locked, and why; empty when every backup of the chain is. For the user and the log. */
  readonly warnings: readonly string[];
  /** The process whose pid is in the lock files; undefined where nothing could be locked. */
  readonly holder: number | undefined;
  /** Resolves when the holder ends before it was asked to. The locks are gone then. */
  readonly lost: Promise<void>;
  /** Takes the locks off and returns when they are, or soon after where that hangs. Never throws. */
  release(): Promise<void>;
}

/**
 * Locks every backup of a chain, FULL first. The caller reads all control files again afterwards: their states may have
 * changed before the locks were there. The locks end with {@link ChainLock.release}, or when this process ends.
 * @throws PbkfsError chain_busy when somebody is changing one of the backups
 */
export async function lockChain(chain: Chain, waitMs = WAIT_MS): Promise<ChainLock> {
  const owner = statSync(pathBytes(chain.target.directory));
  const self = process.geteuid?.() ?? owner.uid;
  if (self !== owner.uid && self !== 0) {
    dismissSpareHolder();
    return notLocked(
      `the catalog belongs to user ${owner.uid}, this process to user ${self}: a lock of ours would make pg_probackup fail, so none is held`,
    );
  }
  const directories = chain.members.map((member) => member.directory);
  const take: Take = {
    kind: 'take',
    directories,
    ...(self === owner.uid ? {} : { owner: { uid: owner.uid, gid: owner.gid } }),
    waitMs,
  };
  const { child, ended } = takeHolder(chain.target.id);
  const answer = await ask(child, ended, take);
  if (answer.kind === 'failed') {
    await ended;
    throw fromWire(answer.error);
  }
  keepRunning(child, false);
  const none = answer.unlocked.length === directories.length;
  return {
    warnings: describe(answer.unlocked, directories.length),
    holder: none ? undefined : child.pid,
    lost: ended.then(() => undefined),
    release: () => release(child, ended),
  };
}

function ask(child: ChildProcess, ended: Promise<Ending>, take: Take): Promise<FromHolder> {
  return new Promise((resolve, reject) => {
    answerOf<FromHolder>(child).then(resolve);
    ended.then(({ how, hint }) =>
      reject(
        new PbkfsError('mount_failed', `the process that locks the backups ended ${how}`, {
          hint: hint ?? 'try again; where something killed it, the log of the system (dmesg) says what',
        }),
      ),
    );
    // One that died at once is reported by `ended`.
    child.send(take, () => undefined);
  });
}

async function release(child: ChildProcess, ended: Promise<Ending>): Promise<void> {
  if (child.connected) child.disconnect();
  const late = new Promise<void>((resolve) => {
    setTimeout(resolve, RELEASE_MS).unref();
  });
  child.ref();
  await Promise.race([ended, late]);
  child.unref();
}

function notLocked(warning: string): ChainLock {
  return {
    warnings: [warning],
    holder: undefined,
    lost: new Promise(() => undefined),
    release: async () => undefined,
  };
}

const reasons: Record<string, string> = {
  EROFS: 'its file system is read-only',
  EACCES: 'its directory must not be written',
  EPERM: 'its directory must not be written',
  ENOSPC: 'its file system is full',
  EDQUOT: 'the disk quota is used up',
  [NOT_ITS_OWNER]: 'this process may not become the user that the catalog belongs to (CAP_SETUID, CAP_SETGID)',
};

function describe(unlocked: readonly Unlocked[], members: number): string[] {
  if (unlocked.length === members && unlocked.every(({ code }) => code === 'EROFS')) {
    return ["the catalog is read-only here, so pg_probackup's lock is not held: nobody may delete or merge the chain"];
  }
  if (unlocked.length === members && unlocked.every(({ code }) => code === NOT_ITS_OWNER)) {
    return [`pg_probackup's lock is not held, nobody may delete or merge the chain: ${reasons[NOT_ITS_OWNER]}`];
  }
  return unlocked.map(({ directory, code }) => {
    const name = displayPath(directory.slice(directory.lastIndexOf('/') + 1));
    return `backup ${name} is not locked against pg_probackup delete and merge: ${reasons[code] ?? code}`;
  });
}
