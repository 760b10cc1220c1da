// What an overlay is made of.

import type { Chain } from '../backup/index.js';
import type { WalLocation } from './namespace/served-wal.js';

export interface OverlayOptions {
  chain: Chain;
  /** directory of the diff; it exists and is locked. null: a read-only view of the backup, nothing can be changed */
  diff: string | null;
  mountpoint: string;
  /** owner of what comes from the backup */
  uid: number;
  gid: number;
  /** the diff's file system may have lost un-synced data although the host has not been restarted */
  afterPowerLoss: boolean;
  /** bytes the diff may take; see DiffBudget */
  diffLimit?: number | undefined;
  /** WAL goes with the mount, see TransientWal */
  noWal?: boolean | undefined;
  /** the WAL archive that the mount serves */
  wal?: WalLocation;
  /** directory for digests of the content lists; without it there are none */
  listCache?: string | undefined;
  /** size of the journal below which it is left alone, in bytes; for tests */
  compactJournalFrom?: number;
  warn(message: string): void;
}
