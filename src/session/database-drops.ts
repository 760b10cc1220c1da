// DROP DATABASE in WAL that is replayed: what a recovery that ends before its commit would leave, and where it should
// end instead. Looked at from the backup's consistent position on: no target lies before that.

import { endsTransaction, type RecoveryTarget, type WalEvent } from '../backup/wal/index.js';
import type { Lsn } from '../backup/wal/lsn.js';

/** After the last commit before something. */
export interface EarlierTarget {
  readonly target: RecoveryTarget & { readonly kind: 'lsn' };
  readonly inclusive: boolean;
}

/** One that nobody can connect to. */
export interface InvalidDatabase {
  readonly name: string;
  /** Before its DROP DATABASE began. */
  readonly before: EarlierTarget;
}

export class DatabaseDrops {
  readonly #consistent: Lsn;
  /** of the last transaction that ended */
  #lastEnd: Lsn | undefined;
  #isUnderWay = false;
  /** by oid, in the order in which their drops began */
  readonly #invalid = new Map<number, InvalidDatabase>();
  /** oids by the transaction that drops them */
  readonly #dropped = new Map<number, number>();

  /** @param consistent where the backup becomes consistent */
  constructor(consistent: Lsn) {
    this.#consistent = consistent;
  }

  /** The next event of the WAL. */
  take(event: WalEvent): void {
    if (event.lsn < this.#consistent) return;
    if (event.kind === 'invalid-database') {
      this.#isUnderWay = true;
      // One that was interrupted begins anew some time.
      if (!this.#invalid.has(event.oid)) this.#invalid.set(event.oid, { name: event.name, before: this.#before() });
    } else if (event.kind === 'drop-database') {
      this.#isUnderWay = true;
      this.#dropped.set(event.xid, event.oid);
    } else if (endsTransaction(event)) {
      this.#lastEnd = event.lsn;
      this.#isUnderWay = false;
      if (event.kind === 'commit') this.#invalid.delete(this.#dropped.get(event.xid) ?? 0);
    }
  }

  /**
   * If a drop is under way here: the target that keeps the database. The same is committed there, since nothing but the
   * end of a transaction changes that.
   */
  get beforeDrop(): EarlierTarget | undefined {
    return this.#isUnderWay ? this.#before() : undefined;
  }

  /** Whose drop has begun and is not committed here. */
  get invalid(): InvalidDatabase[] {
    return [...this.#invalid.values()];
  }

  #before(): EarlierTarget {
    const lsn = this.#lastEnd ?? this.#consistent;
    return { target: { kind: 'lsn', lsn }, inclusive: this.#lastEnd !== undefined };
  }
}
