// What is asked of a session, and how it tells what it does.

import type { ServerBinaries } from '../postgres/find-server.js';
import type { RecoveryConfig } from '../postgres/recovery-config.js';
import type { ServerUser } from '../postgres/server-user.js';
import type { Guarded } from './guarded.js';

export interface SessionRequest {
  readonly catalog?: string;
  readonly instance?: string;
  readonly backupId?: string;
  /** An empty directory, or a mount that is there; one is made where it is missing. */
  readonly mountpoint?: string;
  /** Where it is missing, one is made and removed at the end. */
  readonly diff?: string;
  /** Below which directory temporary ones are made. */
  readonly workDir?: string;
  /** Nothing that is written is wanted afterwards. */
  readonly ephemeral: boolean;
  readonly recovery?: RecoveryConfig;
  /** Databases that are wanted, whatever becomes of the others. */
  readonly databases?: readonly string[];
  readonly binDir?: string;
  readonly port?: number;
  readonly socketDir?: string;
  readonly settings?: Readonly<Record<string, string>>;
  readonly preload?: string;
  /** What to read ahead through a mount that is made. */
  readonly prefetch?: 'hot';
  /** Let the kernel read and write new files by itself. */
  readonly passthrough?: boolean;
  /** Keep processors from sleeping while there is work. */
  readonly lowLatency?: boolean;
  /** Where pg_wal of a new mount is to lie. */
  readonly walDir?: string;
  /** Bytes the diff may take. */
  readonly diffLimit?: number;
  readonly force: boolean;
  /** Hears which server it will be before anything is mounted, and may throw. */
  readonly chosen?: (binaries: ServerBinaries) => void;
}

/** What every step of a session goes by. */
export interface SessionContext {
  readonly request: SessionRequest;
  /** Whom the server and its files belong to. */
  readonly user: ServerUser;
  /** Is told of everything before it is made. */
  readonly guard: Guarded;
  readonly progress: SessionProgress;
}

/** Says what is being done, and how far it is. */
export interface SessionProgress {
  step(text: string): void;
  detail(text: string): void;
  warn(text: string): void;
}
