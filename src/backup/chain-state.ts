// Whether one backup's own state lets a reader use it, and if not, why and what to do.

import { BLCKSZ } from './constants.js';
import { versionProblem } from './program-version.js';
import type { BackupInfo, BackupStatus } from './types.js';
import { isWalBlockSize } from './wal/index.js';

export interface Refusal {
  readonly code: 'backup_unusable' | 'backup_unsupported' | 'backup_damaged';
  readonly reason: string;
  readonly hint: string;
}

const refused: Partial<Record<BackupStatus, { reason: string; hint: string }>> = {
  RUNNING: {
    reason: 'it is still being made, or its pg_probackup was killed',
    hint: 'wait until it is complete; if no pg_probackup works on it any more, delete it',
  },
  ERROR: { reason: 'making it failed', hint: 'choose another backup; this one cannot be completed' },
  MERGING: {
    reason: 'a merge is rewriting its files, which do not match its list any more',
    hint: 'let the merge finish, or run "pg_probackup merge" again',
  },
  MERGED: {
    reason: 'a merge of it was interrupted in its last step',
    hint: 'run "pg_probackup merge" again to finish it',
  },
  DELETING: { reason: 'it is being deleted', hint: 'choose another backup' },
  INVALID: { reason: 'its status is unknown', hint: 'look at its backup.control' },
};

const forcible: Partial<Record<BackupStatus, { reason: string; hint: string }>> = {
  CORRUPT: {
    reason: 'some of its bytes failed verification',
    hint: 'see "pg_probackup validate"; --force mounts it all the same and answers EIO for damaged blocks',
  },
  ORPHAN: {
    reason: 'a backup it depends on is missing or failed verification',
    hint: 'validate its parents; --force mounts it all the same if they are there',
  },
};

/**
 * Judges one chain member by its control file alone (format page 2.3; OK and DONE are usable).
 * @param force accept CORRUPT and ORPHAN
 */
export function refusalOf(backup: BackupInfo, force: boolean): Refusal | undefined {
  if (backup.problem !== undefined) {
    return {
      code: 'backup_damaged',
      reason: backup.problem,
      hint: 'choose another backup, or repair its backup.control',
    };
  }
  const always = refused[backup.status];
  if (always !== undefined)
    return { code: 'backup_unusable', reason: `its status is ${backup.status}: ${always.reason}`, hint: always.hint };
  const unlessForced = forcible[backup.status];
  if (unlessForced !== undefined && !force) {
    return {
      code: 'backup_unusable',
      reason: `its status is ${backup.status}: ${unlessForced.reason}`,
      hint: unlessForced.hint,
    };
  }
  const version = versionProblem(backup.version);
  if (version !== undefined) {
    return {
      code: 'backup_unsupported',
      reason: `it was ${version} (program-version ${backup.programVersion})`,
      hint: 'restore it with the pg_probackup that made it',
    };
  }
  const { blockSize, xlogBlockSize } = backup;
  const unsupported = (reason: string): Refusal => {
    return { code: 'backup_unsupported', reason, hint: 'restore it with pg_probackup' };
  };
  if (blockSize !== BLCKSZ) return unsupported(`its block-size is ${blockSize}, only ${BLCKSZ} is supported`);
  if (!isWalBlockSize(xlogBlockSize)) return unsupported(`its xlog-block-size is ${xlogBlockSize}`);
  return undefined;
}
