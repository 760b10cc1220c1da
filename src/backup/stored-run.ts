// Which stored records are read together: those of one layer that lie close to each other in its file.
//
//   blocks wanted   0 1 2 3 4 5 6 7          runs of a chain of two:
//   newest layer    F F i F F F i F          F: one pread of 0…7, the superseded versions of 2 and 6 included
//                                            i: one pread of 2 and 6, which lie side by side in the increment
//
// Reading over a few superseded records costs a copy of some KiB. Leaving them out costs a system call each, and from a
// disk worse than that: to the kernel's read-ahead a file that is read with gaps is not read from front to back.

import { INFO_SIZE, infoLayer } from './block-info.js';
import { BLCKSZ, RECORD_HEADER } from './constants.js';
import { paddedSize } from './stream-walk.js';
import type { BlockIndex } from './types.js';

/** Blocks looked at together: the largest request of the kernel, 1 MiB. */
export const MAX_RUN = 128;

/** Bytes of other records that are read along rather than left out. */
const MAX_GAP = 32 * 1024;

/** The runs of one range of blocks, one after the other. */
export class StoredRun {
  /** Where in the layer's file the run lies. */
  start = 0;
  length = 0;
  /** How many of `members` count: positions within the range, ascending. */
  count = 0;
  readonly members = new Uint8Array(MAX_RUN);
  readonly #taken = new Uint8Array(MAX_RUN);
  readonly #room: number;
  #range = 0;

  /** @param room bytes that a run may have */
  constructor(room: number) {
    this.#room = room;
  }

  /** A new range of so many blocks, at most MAX_RUN; none of them is in a run yet. */
  begin(blocks: number): void {
    this.#range = blocks;
    for (let i = 0; i < blocks; i++) this.#taken[i] = 0;
  }

  /** Whether a position of the range has been in a run. */
  has(i: number): boolean {
    return this.#taken[i] !== 0;
  }

  /**
   * Makes the run that begins with the stored block at position `from`.
   * @param first block number of position 0
   * @param padded whether payloads of the layer are padded
   */
  collect(index: BlockIndex, first: number, from: number, padded: boolean): void {
    const { info, offset } = index;
    const layer = infoLayer(info[first + from]!);
    const start = offset[first + from]!;
    let end = start;
    let next = start;
    let count = 0;
    for (let i = from; i < this.#range; i++) {
      const word = info[first + i]!;
      const size = word & INFO_SIZE;
      if (size === 0 || size > BLCKSZ || infoLayer(word) !== layer) continue;
      const at = offset[first + i]!;
      const to = at + RECORD_HEADER + size;
      if (at < next || at - next > MAX_GAP || to - start > this.#room) break;
      this.members[count++] = i;
      this.#taken[i] = 1;
      end = to;
      next = at + RECORD_HEADER + paddedSize(size, padded);
    }
    this.start = start;
    this.length = end - start;
    this.count = count;
  }
}
