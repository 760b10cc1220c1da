// What is asked of the server behind a mount, and what it gives back.

import type { Chain, VerifyMode } from '../backup/index.js';
import type { Logger } from '../log.js';
import type { WalLocation } from '../overlay/namespace/served-wal.js';

/** What carries requests: our own server of the kernel protocol, or the library fuse-native. */
export const backends = ['kernel', 'fuse-native'] as const;
export type Backend = (typeof backends)[number];

/** Room for the block indexes of 200 GiB of files that are being read. */
export const DEFAULT_CACHE_SIZE = 256 * 2 ** 20;

export interface ServeOptions {
  /** `kernel` where it is missing. */
  readonly backend?: Backend;
  /** Absolute path. */
  readonly catalog: string;
  readonly instance: string;
  readonly chain: Chain;
  /** The WAL archive that the mount serves in `.pbkfs/wal`. */
  readonly wal: WalLocation;
  /** Absolute path of the diff directory, which this process has locked; null for a read-only mount without one. */
  readonly diff: string | null;
  /** Absolute path without symbolic links; an empty directory. */
  readonly mountpoint: string;
  /** Owner that all files of the backup appear to have. */
  readonly uid: number;
  readonly gid: number;
  /** Whether other users than the one who mounts may use the mount; the kernel checks modes and owners either way. */
  readonly allowOther: boolean;
  /** The mount's source in mountinfo(5); one made of instance and backup where it is missing. */
  readonly fsname?: string;
  /** Data threads; the server's own choice where it is missing. */
  readonly threads?: number;
  /** Copy blocks into the diff as they are read. */
  readonly materializeOnRead: boolean;
  /** Bytes the diff may take; no limit where it is missing. */
  readonly diffLimit?: number;
  /** Sync nothing before the end. */
  readonly perfUnsafe?: boolean;
  /** Let the kernel read and write the objects of files made on the mount by itself, where it can. */
  readonly passthrough?: boolean;
  /** Keep processors from sleeping while there is work, where that can be done. */
  readonly lowLatency?: boolean;
  /** WAL that is written goes with the mount. */
  readonly noWal?: boolean;
  /** Directory for digests of the content lists; without it there are none. */
  readonly listCache?: string;
  /** Trust only what was made durable, as after a reboot: the diff's file system has lost its cache. */
  readonly afterPowerLoss: boolean;
  /** Bytes that block indexes may take; {@link DEFAULT_CACHE_SIZE} where it is missing. */
  readonly cacheSize?: number;
  /** KiB that the kernel reads ahead in a file that is read from front to back. */
  readonly readAhead?: number;
  /** How stored bytes are checked before they are served. */
  readonly verify: VerifyMode;
  readonly chainLock: ChainLockState;
  readonly log: Logger;
  /** Where the log goes, if it goes to a file. */
  readonly logFile?: string;
  /** Where the mount's metrics can be fetched, if they can: a URL, or `unix:PATH`. */
  readonly metricsAddress?: string;
  /** Seconds between the lines in the log that say what was done; 0: none. A quarter of an hour where it is missing. */
  readonly activitySeconds?: number;
}

/** Whether pg_probackup is kept from changing the chain. */
export interface ChainLockState {
  /** Every backup of the chain is locked now. */
  readonly held: boolean;
  /** One line for people. */
  readonly description: string;
}

/** What a running mount tells of itself. */
export interface MountReport {
  /** The text of a Prometheus scrape. */
  metrics(): Promise<string>;
  /** What is wrong with the mount, in words; empty as long as it serves as it should. */
  problems(): string[];
  /** The content of the virtual file `status.json`. */
  status(): Promise<object>;
}

/** What serves a mount, and what it agreed on with the kernel. */
export interface BackendInfo {
  readonly backend: Backend;
  /** Version of the FUSE protocol in use, such as `7.38`; of a library, all that it can have. */
  readonly protocol: string;
  /** Names of the INIT flags in force. */
  readonly features: readonly string[];
  /** KiB that the kernel reads ahead; null where nobody knows. */
  readonly readAhead: number | null;
  /** Why that is not what it should be. */
  readonly readAheadFault?: string;
  /** Why there is no passthrough although it was asked for. */
  readonly passthroughFault?: string;
  /** Why processors are not kept from sleeping although that was asked for. */
  readonly lowLatencyFault?: string;
}

/** A running mount. */
export interface Server {
  /** Missing where nobody was asked. */
  readonly backend?: BackendInfo;
  /**
   * Resolves once the mount is gone (whoever unmounted it), everything is durable and all threads have ended;
   * rejects with what went wrong: the mount is gone then, or answers every access with an error.
   */
  readonly done: Promise<void>;
  readonly report: MountReport;
}
