// Where a session's mount and diff are: a mount that is there, the directories that were named, or temporary ones.

import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { PbkfsError } from '../errors.js';
import { given } from '../given.js';
import { findDiffToMount } from '../mount/diff/diff-directory.js';
import { findRegistered } from '../mount/registry.js';
import { type ChosenBackup, chosenBackup } from '../mount/serving/chosen-backup.js';
import { canEnter, reachableTempDir } from '../postgres/reachable.js';
import { cannotBecome, type ServerUser } from '../postgres/server-user.js';
import { existingPart } from '../sys/existing-part.js';
import { shellWord } from '../sys/shell-word.js';
import type { Guarded } from './guarded.js';
import { serverOn } from './server-on.js';
import type { SessionRequest } from './session-request.js';

export interface Place {
  readonly catalog: string;
  readonly instance: string;
  readonly backupId: string;
  readonly mountpoint: string;
  readonly diff: string;
  readonly temporary: readonly string[];
}

/** @throws PbkfsError when it is not ours, or when what was asked for can only be had with a new mount */
export function existingMount(request: SessionRequest): Place {
  const { mountpoint, recovery, diff, diffLimit, prefetch, passthrough, lowLatency, walDir } = request;
  const entry = findRegistered(mountpoint!);
  if (entry?.diff === undefined) {
    throw new PbkfsError(
      'mountpoint_unusable',
      `${mountpoint} is mounted, but not as a writable mount of this user's pbkfs`,
      { hint: `give another directory; "pbkfs info ${shellWord(mountpoint!)}" tells what it is` },
    );
  }
  const settled = given({
    ...{ '--diff': diff, '--diff-limit': diffLimit, 'a recovery target': recovery, '--wal-dir': walDir },
    ...{ '--prefetch': prefetch, '--passthrough': passthrough, '--low-latency': lowLatency },
  });
  const asked = Object.keys(settled);
  if (asked.length > 0) {
    throw new PbkfsError('usage', `${mountpoint} is mounted already, and takes no ${asked.join(', ')} any more`, {
      hint: 'leave that out, or give another directory',
    });
  }
  const running = serverOn(mountpoint!);
  if (running !== undefined) {
    throw new PbkfsError('mount_busy', `a PostgreSQL server runs on ${mountpoint} already: process ${running.pid}`, {
      hint: `use that one, or end it first: pbkfs stop -D ${shellWord(mountpoint!)}`,
    });
  }
  const { catalog, instance, backupId } = entry;
  return { catalog, instance, backupId, mountpoint: mountpoint!, diff: entry.diff, temporary: [] };
}

/** Makes what is missing, after the guard has been told. @throws PbkfsError usage, no_place */
export async function newPlace(request: SessionRequest, user: ServerUser, guard: Guarded): Promise<Place> {
  const { catalog, instance, backupId } = backupOf(request);
  mustReach(request.walDir, user);
  const temporary: string[] = [];
  let { mountpoint, diff } = request;
  if (mountpoint === undefined || diff === undefined) {
    const base = join(request.workDir ?? reachableTempDir(user), `pbkfs-session-${randomBytes(6).toString('hex')}`);
    temporary.push(base);
    await guard.add({ remove: [base] });
    try {
      mkdirSync(base, { mode: 0o700 });
    } catch (error) {
      throw new PbkfsError('no_place', `cannot make a temporary directory: ${(error as Error).message}`, {
        hint: request.workDir === undefined ? 'TMPDIR may name another place' : 'give another one with --work-dir',
        cause: error,
      });
    }
    // The server's user must get through to its data directory.
    chmodSync(base, 0o711);
    mountpoint ??= join(base, 'mount');
    diff ??= join(base, 'diff');
    if (mountpoint.startsWith(base)) {
      mkdirSync(mountpoint, { mode: 0o700 });
      try {
        if (process.getuid?.() === 0) chownSync(mountpoint, user.uid, user.gid);
      } catch (error) {
        throw cannotBecome(user, error);
      }
    }
  }
  if (request.ephemeral && request.diff !== undefined) {
    if (existsSync(request.diff)) {
      throw new PbkfsError('usage', `--ephemeral removes the diff at the end, and ${request.diff} is there already`, {
        hint: 'give a new directory, or leave -d out for a temporary one',
      });
    }
    temporary.push(request.diff);
    await guard.add({ remove: [request.diff] });
  }
  await guard.add({ mountpoint, diff });
  return { catalog, instance, backupId, mountpoint, diff, temporary };
}

/** @throws PbkfsError usage where the request does not name it and its diff does not know it */
function backupOf(request: SessionRequest): ChosenBackup {
  const { catalog, instance, backupId, diff } = request;
  if (catalog !== undefined && instance !== undefined && backupId !== undefined) return { catalog, instance, backupId };
  if (diff !== undefined) return chosenBackup(request, diff, findDiffToMount(diff));
  throw new PbkfsError('usage', '-B CATALOG, -I INSTANCE and -i BACKUP_ID must be given', {
    hint: 'only a mount that is there already (-D), or a diff that was mounted before (-d), knows its backup',
  });
}

/** The server itself writes there, not the mount. @throws PbkfsError usage */
function mustReach(walDir: string | undefined, user: ServerUser): void {
  if (walDir === undefined) return;
  const { there, rest } = existingPart(walDir);
  // The directory itself is given to the server's user.
  if (canEnter(rest === '' ? dirname(there) : there, user)) return;
  throw new PbkfsError('usage', `the user ${user.name} cannot reach the WAL directory ${walDir}`, {
    hint: 'let everybody enter the directories above it, or give another one',
  });
}
