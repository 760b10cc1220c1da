// The block index of a datafile in the shared arena: the first thread that needs it builds it, the others sleep meanwhile.

import { type BlockIndex, buildBlockIndex, type FileSource } from '../../backup/index.js';
import { SystemError } from '../../errors.js';
import { type Counters, counter } from '../../metrics/counters.js';
import { double, indexState, word } from '../shared/file-table.js';
import type { SharedState } from '../shared/shared-state.js';

/**
 * The index of the file behind `row`, built if need be.
 * @param warn told of what was odd about the backup's own index
 * @throws PbkfsError page_damaged when the streams make no sense; nothing is kept then, and the next call tries again
 */
export function sharedBlockIndex(
  { table, arena }: SharedState,
  row: number,
  source: FileSource,
  counters: Counters,
  warn: (message: string) => void,
): BlockIndex {
  if (source.kind !== 'datafile') throw new SystemError('EIO');
  const at = table.wordBase(row) + word.indexState;
  for (;;) {
    const state = Atomics.compareExchange(table.words, at, indexState.none, indexState.building);
    if (state === indexState.building) {
      Atomics.wait(table.words, at, indexState.building);
      continue;
    }
    if (state === indexState.ready) {
      counters.add(counter.indexHit, 1);
      return indexViews(
        arena.buffer,
        table.getDouble(row, double.indexOffset),
        table.getDouble(row, double.checksumOffset),
        source.nBlocks,
      );
    }
    counters.add(counter.indexMiss, 1);
    let next: number = indexState.none;
    try {
      const offset = arena.allocate(source.nBlocks * 8);
      const checksums = arena.allocate(source.nBlocks * 2);
      const index = indexViews(arena.buffer, offset, checksums, source.nBlocks);
      try {
        for (const problem of buildBlockIndex(source, index).problems) warn(problem);
      } catch (error) {
        arena.free(offset, source.nBlocks * 8);
        arena.free(checksums, source.nBlocks * 2);
        throw error;
      }
      table.setDouble(row, double.indexOffset, offset);
      table.setDouble(row, double.checksumOffset, checksums);
      next = indexState.ready;
      return index;
    } finally {
      Atomics.store(table.words, at, next);
      Atomics.notify(table.words, at);
    }
  }
}

function indexViews(buffer: SharedArrayBuffer, offset: number, checksums: number, blocks: number): BlockIndex {
  return {
    offset: new Uint32Array(buffer, offset, blocks),
    info: new Uint32Array(buffer, offset + blocks * 4, blocks),
    checksum: new Uint16Array(buffer, checksums, blocks),
  };
}
