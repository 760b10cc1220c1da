// Recovery from archived WAL: what to replay, and how a server is told so.

import { chownSync, closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import type { ServerUser } from './server-user.js';

/** Replay of archived WAL at start-up (PostgreSQL 12 and later: `recovery.signal` and settings). */
export interface Recovery {
  /** Shell command with `%f` (file name wanted) and `%p` (where to put it); non-zero exit status = not there. */
  readonly restoreCommand: string;
  /** `immediate`: stop at the end of the backup, as soon as the cluster is consistent. `latest`: all WAL there is. */
  readonly target: 'immediate' | 'latest';
  readonly timeline?: 'current' | 'latest' | number;
  /** What to do at the target; a paused server answers queries read-only. */
  readonly action?: 'promote' | 'pause';
}

/** Recovery as the data directory's own files ask for it (`recovery.signal`, postgresql.auto.conf), with WAL from us. */
export interface ConfiguredRecovery {
  readonly restoreCommand: string;
  readonly target: 'configured';
  /** Read-only queries before recovery has ended; needed where it pauses at its target, else better without. */
  readonly hotStandby: boolean;
}

/** Settings that ask for this recovery, and for none of what the data directory's own files may ask for. */
export function recoverySettings(recovery: Recovery | ConfiguredRecovery | undefined): Record<string, string> {
  if (recovery?.target === 'configured') {
    return {
      restore_command: recovery.restoreCommand,
      recovery_min_apply_delay: '0',
      ...standby(recovery.hotStandby),
    };
  }
  return {
    // Emptied first: a target of postgresql.auto.conf beside ours would be "multiple recovery targets".
    recovery_target_name: '',
    recovery_target_time: '',
    recovery_target_xid: '',
    recovery_target_lsn: '',
    recovery_target: recovery?.target === 'immediate' ? 'immediate' : '',
    recovery_target_timeline: String(recovery?.timeline ?? 'current'),
    recovery_target_action: recovery?.action ?? 'promote',
    restore_command: recovery?.restoreCommand ?? '',
    recovery_min_apply_delay: '0',
    ...standby(recovery?.action === 'pause'),
  };
}

/**
 * A standby writes hint bits to disk when it reads, unless they would have to be logged, which it cannot: in a cluster
 * without page checksums only wal_log_hints says so (MarkBufferDirtyHint in src/backend/storage/buffer/bufmgr.c).
 */
function standby(on: boolean): Record<string, string> {
  return on ? { hot_standby: 'on', wal_log_hints: 'on' } : { hot_standby: 'off' };
}

/** Puts `recovery.signal` into the data directory, owned by the server's user; an existing one stays. */
export function requestRecovery(dataDir: string, user: ServerUser): void {
  const path = join(dataDir, 'recovery.signal');
  closeSync(openSync(path, 'a', 0o600));
  chownSync(path, user.uid, user.gid);
}
