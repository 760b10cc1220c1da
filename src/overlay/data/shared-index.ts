// The block index of one datafile as one thread uses it: kept in the shared arena, made by the first thread that needs it.

import { type BlockIndex, buildBlockIndex, type DatafileSource, type FileSource } from '../../backup/index.js';
import { SystemError } from '../../errors.js';
import { type Counters, counter } from '../../metrics/counters.js';
import type { IndexCache, IndexPlace } from '../shared/index-cache.js';
import { double } from '../shared/row-layout.js';
import type { SharedState } from '../shared/shared-state.js';

/** What the indexes of one thread have in common. */
export interface IndexContext {
  readonly shared: SharedState;
  readonly cache: IndexCache;
  readonly counters: Counters;
  /** told of what was odd about the backup's own index */
  warn(message: string): void;
}

export class SharedIndex {
  readonly #context: IndexContext;
  readonly #row: number;
  readonly #source: FileSource;
  /** views of where the index lay when this thread last used it */
  #views: BlockIndex | null = null;
  #offset = 0;
  #checksums = 0;

  constructor(context: IndexContext, row: number, source: FileSource) {
    this.#context = context;
    this.#row = row;
    this.#source = source;
  }

  /**
   * The index, made if need be; it must not be touched after `close`, which must be called, also after an error.
   * @throws PbkfsError page_damaged when the streams make no sense; nothing is kept then, and the next call tries again
   */
  open(): BlockIndex {
    const { shared, cache, counters } = this.#context;
    const source = this.#source;
    if (source.kind !== 'datafile') throw new SystemError('EIO');
    const found = cache.enter(this.#row);
    if (!found) return this.#build(source);
    const offset = shared.table.getDouble(this.#row, double.indexOffset);
    const checksums = shared.table.getDouble(this.#row, double.checksumOffset);
    if (this.#views !== null && offset === this.#offset && checksums === this.#checksums) return this.#views;
    counters.add(counter.indexHit, 1);
    return this.#look(source, { offset, checksums });
  }

  close(): void {
    this.#context.cache.leave();
  }

  #build(source: DatafileSource): BlockIndex {
    const { cache, counters, warn } = this.#context;
    const { nBlocks } = source;
    counters.add(counter.indexMiss, 1);
    let place: IndexPlace | undefined;
    try {
      place = cache.allocate(nBlocks);
      const index = this.#look(source, place);
      for (const problem of buildBlockIndex(source, index).problems) warn(problem);
      cache.publish(this.#row, nBlocks, place);
      return index;
    } catch (error) {
      cache.abandon(this.#row, nBlocks, place);
      throw error;
    }
  }

  #look({ nBlocks }: DatafileSource, { offset, checksums }: IndexPlace): BlockIndex {
    const { buffer } = this.#context.shared.arena;
    this.#offset = offset;
    this.#checksums = checksums;
    this.#views = {
      offset: new Uint32Array(buffer, offset, nBlocks),
      info: new Uint32Array(buffer, offset + nBlocks * 4, nBlocks),
      checksum: new Uint16Array(buffer, checksums, nBlocks),
    };
    return this.#views;
  }
}
