// What is asked of an export, and what it gives back.

import { MAX_READERS } from '../../overlay/shared/index-users.js';

/** Threads that an export may have. */
export const MAX_JOBS = MAX_READERS;

export interface ExportRequest {
  /** Mount point, or diff of a mount that has ended. */
  readonly from: string;
  /** New or empty. */
  readonly to: string;
  /** Threads; more than MAX_JOBS are not started. */
  readonly jobs: number;
  /** Of a mount that is being written to. */
  readonly force: boolean;
  readonly sync: boolean;
  /** Original directory or oid of a tablespace, and its new directory (absolute). */
  readonly tablespaces: readonly (readonly [from: string, to: string])[];
  progress?(done: number, total: number): void;
  warn(message: string): void;
}

export interface Exported {
  readonly from: string;
  readonly to: string;
  readonly files: number;
  /** Sum of their lengths. */
  readonly bytes: number;
  /** Tablespaces that went elsewhere: oid and directory. */
  readonly tablespaces: Readonly<Record<string, string>>;
}
