// How much of the diff is in use, counted in blocks as they are taken and given back by all threads; and its limit.
//
// A file made on the mount counts ceil(size / 8192) blocks. A changed file of the backup counts its block map's file, the
// blocks of the backup that the diff has replaced, and every block beyond the backup's. Holes count as if they were
// allocated; the journal (some hundred bytes for each change of a name, compacted at the unmount) and logs do not count.

import { BLCKSZ } from '../../backup/constants.js';
import { SystemError } from '../../errors.js';
import { control } from './shared-state.js';

/** Parts of the limit: at the first a warning is logged, below the second the next one may be. */
const WARN_AT = 0.8;
const REARM_BELOW = 0.75;

const warned = { no: 0, filling: 1, full: 2 } as const;

/** Blocks that `bytes` fill or begin. */
export function blocksOf(bytes: number): number {
  return Math.ceil(bytes / BLCKSZ);
}

/** One thread's access to the count. Taking and giving back cost an atomic addition, and nothing when no block is. */
export class DiffBudget {
  readonly #words: Int32Array;
  readonly #warn: (message: string) => void;

  /** @param words the shared control block */
  constructor(words: Int32Array, warn: (message: string) => void = () => undefined) {
    this.#words = words;
    this.#warn = warn;
  }

  /** Blocks in use. */
  get blocks(): number {
    return Atomics.load(this.#words, control.diffBlocks);
  }

  /** Blocks there may be; 0: no limit. */
  get limit(): number {
    return Atomics.load(this.#words, control.diffLimit);
  }

  /** How it stands, for people and metrics. */
  state(): { readonly bytes: number; readonly limitBytes: number | null; readonly refusals: number } {
    const { limit } = this;
    const refusals = Atomics.load(this.#words, control.diffRefusals);
    return { bytes: this.blocks * BLCKSZ, limitBytes: limit === 0 ? null : limit * BLCKSZ, refusals };
  }

  /** Sets the limit and what earlier mounts left in the diff, before anybody takes anything. */
  start(limitBytes: number | undefined, blocks: number): void {
    Atomics.store(this.#words, control.diffLimit, limitBytes === undefined ? 0 : Math.floor(limitBytes / BLCKSZ));
    Atomics.store(this.#words, control.diffBlocks, blocks);
    if (this.limit > 0) this.#watch(blocks);
  }

  /** @throws ENOSPC when the limit leaves no room for so many more blocks; nothing is taken then */
  take(blocks: number): void {
    if (blocks === 0) return;
    const { limit } = this;
    const now = Atomics.add(this.#words, control.diffBlocks, blocks) + blocks;
    if (limit === 0) return;
    if (now > limit) {
      Atomics.sub(this.#words, control.diffBlocks, blocks);
      throw this.#refused();
    }
    this.#watch(now);
  }

  give(blocks: number): void {
    if (blocks === 0) return;
    const now = Atomics.sub(this.#words, control.diffBlocks, blocks) - blocks;
    if (now < this.limit * REARM_BELOW) Atomics.store(this.#words, control.diffWarned, warned.no);
  }

  /** Whether there is room for so many more; nothing is taken, and nothing is said. */
  hasRoom(blocks: number): boolean {
    return this.limit === 0 || this.blocks + blocks <= this.limit;
  }

  /** @throws ENOSPC when the limit leaves no room for a single block */
  mustHaveRoom(): void {
    const { limit } = this;
    if (limit > 0 && this.blocks >= limit) throw this.#refused();
  }

  #watch(blocks: number): void {
    if (blocks < this.limit * WARN_AT) return;
    if (Atomics.compareExchange(this.#words, control.diffWarned, warned.no, warned.filling) !== warned.no) return;
    this.#warn(
      `the diff holds ${percent(blocks, this.limit)} of the ${mebibytes(this.limit)} MiB that --diff-limit allows`,
    );
  }

  #refused(): SystemError {
    Atomics.add(this.#words, control.diffRefusals, 1);
    if (Atomics.exchange(this.#words, control.diffWarned, warned.full) !== warned.full) {
      this.#warn(
        `the diff has reached its limit of ${mebibytes(this.limit)} MiB: what needs space is refused with ENOSPC; deleting works`,
      );
    }
    return new SystemError('ENOSPC');
  }
}

function percent(part: number, whole: number): string {
  return `${Math.floor((part / whole) * 100)} %`;
}

function mebibytes(blocks: number): number {
  return Math.round((blocks * BLCKSZ) / 2 ** 20);
}
