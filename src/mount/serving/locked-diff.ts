// The diff of one mount, locked for it: the binding says how the mount stands, and what was only prepared can be undone.

import { keepCounters } from '../../fs/report/saved-counters.js';
import { given } from '../../given.js';
import { keepSpare, refusedByStorage } from '../../overlay/diff/index.js';
import type { RecoveryConfig } from '../../postgres/recovery-config.js';
import { selfIdentity } from '../../sys/process-identity.js';
import { type BackupIdentity, type Binding, type MountState, writeBinding } from '../diff/binding.js';
import { discardFreshDiff } from '../diff/diff-directory.js';
import type { DiffLock } from '../diff/lock.js';
import { clearUnsafe, isMarkedUnsafe, markUnsafe } from '../diff/unsafe-marker.js';
import { fileOwner } from '../file-owner.js';
import type { MountRequest } from '../request.js';
import { type WalBinding, WalDirectory } from '../wal-dir/wal-directory.js';
import type { CheckedPaths } from './preflight.js';

/** A locked diff that this mount may use. */
export interface Claim {
  readonly request: MountRequest;
  readonly paths: CheckedPaths & { readonly diff: string };
  readonly backup: BackupIdentity;
  readonly lock: DiffLock;
  /** This mount has made the directory. */
  readonly created: boolean;
  /** Names that were in it before. */
  readonly there: readonly string[];
  /** What its last mount has left; missing at the first one. */
  readonly previous?: Binding;
  /** Where WAL is to lie outside of the mount. */
  readonly wal?: WalBinding;
}

/** What a mount does to its diff besides serving it. The diff stays locked until the process ends or `rollback` is called. */
export interface ClaimedDiff {
  /** Nothing has been written to the diff yet. */
  readonly fresh: boolean;
  /** Where WAL lies outside of the mount; the lock is held as long as that of the diff. */
  readonly wal?: WalBinding | undefined;
  /** Recovery settings that an earlier mount was to write, and may not have. */
  readonly unwritten?: RecoveryConfig | undefined;
  /** Records in the diff's binding how this mount stands. */
  mark(state: MountState, error?: string): void;
  /** Records that this mount is going to write recovery settings. */
  willWrite(recovery: RecoveryConfig): void;
  /** Records that everything a server needs is in its place: recovery settings are written, and the WAL has moved. */
  madeReady(): void;
  /** The mount is up: room on the diff's disk is kept for its end. */
  keepSpare(): void;
  /** Undoes the preparation of a mount that never came up, as far as the disk lets it. Never throws: why it did not come up counts. */
  rollback(): void;
}

/** A diff as the mount process has it. */
export class LockedDiff implements ClaimedDiff {
  readonly #claim: Claim;
  readonly #wasUnsafe: boolean;
  #wal: WalBinding | undefined;
  #unwritten: RecoveryConfig | undefined;
  #walDirectory: WalDirectory | undefined;

  constructor(claim: Claim) {
    this.#claim = claim;
    this.#wasUnsafe = isMarkedUnsafe(claim.paths.diff);
    this.#wal = claim.wal;
    this.#unwritten = claim.previous?.unwritten;
  }

  get fresh(): boolean {
    return this.#claim.previous === undefined;
  }

  get wal(): WalBinding | undefined {
    return this.#wal;
  }

  get unwritten(): RecoveryConfig | undefined {
    return this.#unwritten;
  }

  /** Marks it as mounted and takes the directory of its WAL. @throws PbkfsError; `rollback` then undoes what was done of it */
  begin(): void {
    const { paths, request } = this.#claim;
    this.mark('mounted');
    if (this.#wal !== undefined) {
      this.#walDirectory = WalDirectory.claim(this.#wal, paths.diff, paths.mountpoint, fileOwner(request, paths.owner));
    }
    if (request.perfUnsafe) markUnsafe(paths.diff);
  }

  mark(state: MountState, error?: string): void {
    const { request, paths, backup } = this.#claim;
    const { diff, mountpoint, catalog } = paths;
    const owner = fileOwner(request, paths.owner);
    const lastMount = { ...selfIdentity(), mountpoint, state, owner, ...given({ error }) };
    // Everything is durable.
    if (state === 'clean') clearUnsafe(diff);
    try {
      writeBinding(diff, {
        catalog,
        backup,
        lastMount,
        ...(request.noWal ? { noWal: true } : {}),
        ...given({ walDirectory: this.#wal, unwritten: this.#unwritten }),
      });
    } catch (error) {
      throw refusedByStorage(diff, error);
    }
    if (state !== 'mounted') this.keepSpare();
  }

  willWrite(recovery: RecoveryConfig): void {
    this.#unwritten = recovery;
    this.mark('mounted');
  }

  madeReady(): void {
    if (this.#unwritten === undefined && this.#wal?.ready !== false) return;
    this.#unwritten = undefined;
    this.#wal = this.#wal && { ...this.#wal, ready: true };
    this.mark('mounted');
  }

  keepSpare(): void {
    const { diff } = this.#claim.paths;
    keepSpare(diff);
    keepCounters(diff);
  }

  rollback(): void {
    const { paths, previous, created, there, lock } = this.#claim;
    const { diff, logFile } = paths;
    const steps = [
      () => this.#wasUnsafe || clearUnsafe(diff),
      () => this.#walDirectory?.giveUp(),
      // Where it cannot be written that of a mount that was killed stays, which loses nothing.
      () =>
        previous === undefined ? discardFreshDiff(diff, { created, there, logFile }) : writeBinding(diff, previous),
      () => lock.release(),
    ];
    for (const step of steps) {
      try {
        step();
      } catch {
        // The next mount finds what is left and can use it.
      }
    }
  }
}
