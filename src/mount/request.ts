// What a user asks of `pbkfs mount`; plain data, since it travels to the background process.

import type { VerifyMode } from '../backup/index.js';
import type { Backend } from '../fs/serve-types.js';
import type { LogLevel } from '../log.js';
import type { RecoveryConfig } from '../postgres/recovery-config.js';

export interface MountRequest {
  /** Paths are absolute: the mount process lives in `/`. */
  readonly mountpoint: string;
  /** Missing for a read-only mount, which has none. */
  readonly diff?: string;
  /** Catalog, instance and backup may be left out for a diff that has been mounted before. */
  readonly catalog?: string;
  readonly instance?: string;
  /** An id in any case, or `latest`. */
  readonly backupId?: string;
  readonly uid?: number;
  readonly gid?: number;
  readonly threads?: number;
  /** The mount's source in mountinfo(5). */
  readonly fsname?: string;
  /** Bytes that block indexes may take. */
  readonly cacheSize?: number;
  /** KiB that the kernel reads ahead. */
  readonly readAhead?: number;
  /** `kernel` where it is missing. */
  readonly backend?: Backend;
  /** No diff: every change is refused. */
  readonly readOnly?: boolean;
  /** DIFF/pbkfs.log where it is missing, without a diff a file beside the registry's entry; the foreground logs to the terminal. */
  readonly logFile?: string;
  /** How to log; info as text into the file where nothing is said. */
  readonly log?: { readonly level?: LogLevel; readonly format?: 'text' | 'json'; readonly sink?: 'file' | 'journald' };
  /** Holds the mount's process id for as long as it is mounted. */
  readonly pidFile?: string;
  /** Whether other users may use the mount; where it is missing: if this user may permit that. */
  readonly allowOther?: boolean;
  /** Where metrics are served: HOST:PORT, HOST, PORT or unix:PATH; nowhere if it is missing. */
  readonly metricsListen?: string;
  /** Seconds between the lines in the log that say what was done; 0: none. */
  readonly logActivity?: number;
  readonly force: boolean;
  readonly afterPowerLoss: boolean;
  readonly materializeOnRead: boolean;
  /** Recovery settings to write into the data directory; what is asked for is checked against the WAL there is. */
  readonly recovery?: RecoveryConfig;
  /** Write none, not even those that an ARCHIVE backup needs at its first mount. */
  readonly noRecoveryConfig?: boolean;
  /** An fsync syncs nothing; the diff is marked until a clean unmount. */
  readonly perfUnsafe?: boolean;
  /** Let the kernel read and write files made on the mount by itself. */
  readonly passthrough?: boolean;
  /** Keep this machine's processors from sleeping while the mount is busy. */
  readonly lowLatency?: boolean;
  /** WAL goes with the mount, and the diff cannot be mounted again. */
  readonly noWal?: boolean;
  /** Neither use nor keep a digest of the content lists. */
  readonly noListCache?: boolean;
  /** Directory on a native file system for pg_wal; the diff remembers it. */
  readonly walDir?: string;
  /** Bytes the diff may take. */
  readonly diffLimit?: number;
  /** What to read ahead once it is mounted; nothing where it is missing. */
  readonly prefetch?: 'hot';
  /** `checksum` where it is missing. */
  readonly verify?: VerifyMode;
}

/** What the caller hears of a mount that is ready for use. */
export interface MountedInfo {
  readonly pid: number;
  readonly mountpoint: string;
  readonly instance: string;
  readonly backupId: string;
  readonly backend: Backend;
  /** How many backups the chain has. */
  readonly chainLength: number;
  /** Where its metrics are served, if they are. */
  readonly metricsAddress?: string;
  /** What the user should know although the mount works. */
  readonly warnings: readonly string[];
  /** Those of the backup, which are not mounted; none for a diff that has been mounted before. */
  readonly externalDirectories: readonly string[];
}
