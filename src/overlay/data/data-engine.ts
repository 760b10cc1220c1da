// Reads and changes of file data, as every data thread does them: resolved by inode, ordered by its barrier.
//
// Lock order, never the other way round: namespace call, then ticket, then attribute lock. A sync lock is never
// taken while holding a ticket for longer than a snapshot takes.

import { PageReader, type VerifyMode } from '../../backup/index.js';
import { type Counters, counter } from '../../metrics/counters.js';
import { waitForEarlierMutations } from '../../pending/barrier.js';
import { blocksOf, DiffBudget } from '../shared/diff-budget.js';
import { IndexCache } from '../shared/index-cache.js';
import { double, rowKind, word } from '../shared/row-layout.js';
import { control, type SharedState } from '../shared/shared-state.js';
import { BaseGuard } from './base-guard.js';
import { BasedFiles } from './based-files.js';
import { Changes } from './changes.js';
import { Copies } from './copies.js';
import { FdCache } from './fd-cache.js';
import { FileSync } from './file-sync.js';
import type { NamespaceCalls } from './namespace-calls.js';
import { ObjectFiles } from './object-files.js';
import { PassthroughData } from './passthrough-data.js';
import { PlainFiles } from './plain-files.js';
import { blocksTouched, mustFit } from './positions.js';
import { Unflushed } from './unflushed.js';

export interface DataEngineOptions {
  shared: SharedState;
  namespace: NamespaceCalls;
  /** ids of the backups, FULL first */
  chain: readonly string[];
  /** directory of the diff's objects */
  objects: string;
  counters: Counters;
  fdLimit: number;
  materializeOnRead: boolean;
  /** `checksum` where it is missing */
  verify?: VerifyMode;
  warn(message: string): void;
  /** something in the backup is not what was backed up: it may have been changed underneath */
  suspect?(): void;
  /** begins to write an object's data back, without waiting for it; missing: the kernel decides when */
  writeBack?(objectId: string): void;
}

/** Which kind of fallocate. */
export interface AllocateMode {
  keepSize: boolean;
  zero: boolean;
  /** clear the set-id bits, as after a write by somebody unprivileged */
  dropSetId: boolean;
}

export class DataEngine {
  readonly #shared: SharedState;
  readonly #materializeOnRead: boolean;
  readonly #counters: Counters;
  readonly #fds: FdCache;
  readonly #based: BasedFiles;
  readonly #indexCache: IndexCache;
  readonly #plain: PlainFiles;
  readonly #passthrough: PassthroughData;
  readonly #budget: DiffBudget;
  readonly #unflushed: Unflushed;
  readonly #sync: FileSync;
  readonly #changes: Changes;
  readonly #copies: Copies;

  constructor(options: DataEngineOptions) {
    this.#materializeOnRead = options.materializeOnRead;
    this.#shared = options.shared;
    this.#counters = options.counters;
    this.#fds = new FdCache(options.fdLimit, {
      hit: () => this.#counters.add(counter.handleHit, 1),
      miss: () => this.#counters.add(counter.handleMiss, 1),
    });
    const { verify = 'checksum', suspect = () => undefined, warn } = options;
    const { shared, counters, namespace } = options;
    const objects = new ObjectFiles(options.objects, this.#fds, shared);
    this.#indexCache = new IndexCache(shared, () => counters.add(counter.indexEvicted, 1));
    this.#based = new BasedFiles({
      shared,
      indexes: { shared, cache: this.#indexCache, counters, warn },
      pages: new PageReader(verify),
      fds: this.#fds,
      counters,
      guard: new BaseGuard(shared, options.chain, counters, verify, suspect, warn),
      objects,
      namespace,
    });
    this.#budget = new DiffBudget(shared.control, warn);
    this.#plain = new PlainFiles(shared.table, objects, this.#fds);
    this.#unflushed = new Unflushed(shared.table, (id) => options.writeBack?.(id));
    this.#passthrough = new PassthroughData(shared.table, this.#plain, this.#budget, this.#unflushed);
    const [based, plain, unflushed] = [this.#based, this.#plain, this.#unflushed];
    this.#sync = new FileSync({ shared, namespace, based, plain, unflushed });
    this.#changes = new Changes({ shared, namespace, based, budget: this.#budget });
    this.#copies = new Copies({ table: shared.table, changes: this.#changes, budget: this.#budget, counters });
  }

  /** Reads up to `length` bytes; returns how many there were before the end of the file. */
  read(row: number, generation: number, position: number, length: number, out: Uint8Array, outOffset: number): number {
    const { table } = this.#shared;
    waitForEarlierMutations(table.words, table.barrier(row));
    this.refresh(row, generation);
    const size = table.getDouble(row, double.size);
    const count = Math.max(0, Math.min(length, size - position));
    if (count === 0) return 0;
    const kind = table.get(row, word.kind);
    if (kind === rowKind.plain || kind === rowKind.passthrough) {
      this.#plain.read(row, generation, position, count, out, outOffset);
      this.#counters.add(counter.blocksFromDiff, blocksTouched(position, count));
    } else {
      const file = this.#based.file(row, generation);
      file.read(position, count, out, outOffset);
      if (this.#materializeOnRead) this.#copies.bring(file, row, generation, position, count);
    }
    this.#counters.add(counter.bytesRead, count);
    return count;
  }

  /** Writes all of `data[offset, offset + length)` at `position`; a short count means that the disk filled up. */
  write(
    row: number,
    generation: number,
    data: Uint8Array,
    offset: number,
    length: number,
    position: number,
    dropSetId: boolean,
  ): number {
    if (length === 0) return 0;
    mustFit(position + length);
    const { table } = this.#shared;
    const file = this.#changes.writable(row, generation, dropSetId);
    if (file?.wantsWhole) this.#copies.bringWhole(file, row, generation);
    this.#counters.add(counter.blocksWritten, blocksTouched(position, length));
    this.#counters.add(counter.bytesWritten, length);
    if (table.isPassthrough(row)) {
      const change = () => this.#plain.write(row, generation, data, offset, length, position);
      return this.#passthrough.change(row, generation, change);
    }
    return this.#changes.run(row, file, position, position + length, position + length, () => {
      let written = length;
      if (file === null) written = this.#plain.write(row, generation, data, offset, length, position);
      else file.write(data, offset, length, position);
      const size = Math.max(table.getDouble(row, double.size), position + written);
      table.touchData(row, size, Date.now());
      this.#unflushed.wrote(row, written);
      return written;
    });
  }

  /** Before attributes are read: what the kernel has changed by itself. */
  refresh(row: number, generation: number): void {
    if (this.#shared.table.isPassthrough(row)) this.#passthrough.refresh(row, generation);
  }

  /** Sets the length; what lies beyond the old end reads as zeros. */
  truncate(row: number, generation: number, length: number, dropSetId: boolean): void {
    mustFit(length);
    const { table } = this.#shared;
    const file = this.#changes.writable(row, generation, dropSetId);
    if (table.isPassthrough(row)) {
      const change = () => this.#plain.truncate(row, generation, length);
      this.#passthrough.change(row, generation, change);
      return;
    }
    this.#changes.run(row, file, length, length, length, () => {
      const old = blocksOf(table.getDouble(row, double.size));
      const freed = file === null ? Math.max(0, old - blocksOf(length)) : file.shrinkage(length);
      if (file === null) this.#plain.truncate(row, generation, length);
      else file.truncate(length);
      this.#budget.give(freed);
      table.touchData(row, length, Date.now());
    });
  }

  /** fallocate(2) mode 0, KEEP_SIZE, PUNCH_HOLE|KEEP_SIZE and ZERO_RANGE. */
  allocate(row: number, generation: number, from: number, length: number, how: AllocateMode): void {
    mustFit(from + length);
    const { table } = this.#shared;
    const file = this.#changes.writable(row, generation, how.dropSetId);
    const end = from + length;
    /** @param old length of the file @returns the new one */
    const allocate = (old: number): number => {
      const size = how.keepSize ? old : Math.max(old, end);
      const zeroTo = Math.min(end, old);
      if (how.zero && zeroTo > from) {
        if (file === null) this.#plain.punch(row, generation, from, zeroTo);
        else file.zero(from, zeroTo);
      }
      if (size > old) {
        if (file === null) this.#plain.extend(row, generation, old, from, length);
        else file.extend(old, from, size);
      }
      return size;
    };
    if (table.isPassthrough(row)) {
      this.#passthrough.change(row, generation, allocate);
      return;
    }
    this.#changes.run(row, file, from, how.zero ? end : from, how.keepSize ? 0 : end, () => {
      const size = allocate(table.getDouble(row, double.size));
      table.touchData(row, size, Date.now());
    });
  }

  /** Makes the file durable: data, block map, its name and everything else the journal has. Not what goes with the mount. */
  sync(row: number, generation: number): void {
    this.#sync.file(row, generation);
  }

  /**
   * Makes durable everything that was written before the call.
   * @throws what the first file that could not be synced says; the others were synced all the same
   */
  syncAll(): void {
    this.#sync.all();
  }

  /** Makes every name and every object's existence durable. */
  syncNames(): void {
    this.#sync.names();
  }

  /** Whether the row is that of the hidden directory. */
  isHiddenDirectory(row: number): boolean {
    const { table, control: words } = this.#shared;
    return table.getDouble(row, double.ino) === Atomics.load(words, control.hiddenIno);
  }

  close(): void {
    this.#fds.closeAll();
    this.#indexCache.close();
  }
}
