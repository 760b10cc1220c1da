// Following WAL record by record, each against its own CRC, as recovery will: from one position to another.

import { formatLsn, type Lsn } from './lsn.js';
import { AT_PREV, hasItsCrc, isSwitch, MAX_RECORD, XLOG_RECORD_HEADER } from './record-format.js';
import { XLP_FIRST_IS_CONTRECORD, XLP_FIRST_IS_OVERWRITE_CONTRECORD } from './segment-header.js';
import { type SegmentOf, Stumble, WalPages, type WalRange } from './wal-pages.js';

export interface WalFault {
  /** The segment it is in. */
  readonly segment: number;
  readonly message: string;
}

export class RecordWalk {
  readonly #range: WalRange;
  readonly #pages: WalPages;
  #at: Lsn;
  #last: Lsn | undefined;
  #fault: WalFault | undefined;

  constructor(range: WalRange, segmentOf: SegmentOf) {
    this.#range = range;
    this.#pages = new WalPages(range, segmentOf);
    this.#at = range.start;
  }

  /** Where the record that {@link next} gave last begins; undefined before the first one. */
  get last(): Lsn | undefined {
    return this.#last;
  }

  /** What recovery stumbles over before the end of the range; there is nothing behind it. */
  get fault(): WalFault | undefined {
    return this.#fault;
  }

  /**
   * The next whole record, good for as long as nothing writes into its segment.
   * @returns undefined at the end of the range, or where {@link fault} says
   * @throws what `segmentOf` throws
   */
  next(): Buffer | undefined {
    if (this.#fault !== undefined) return undefined;
    try {
      for (;;) {
        const at = this.#pages.skipHeader(this.#at);
        this.#at = at;
        if (at >= this.#range.stop) return undefined;
        const record = this.#record(at);
        if (record === undefined) continue;
        this.#last = at;
        return record;
      }
    } catch (error) {
      if (!(error instanceof Stumble)) throw error;
      this.#fault = { segment: this.#pages.number, message: error.message };
      return undefined;
    }
  }

  /** Reads the record at `at` and moves on behind it; undefined: it was given up by a crash, as a later page says. */
  #record(at: Lsn): Buffer | undefined {
    const pages = this.#pages;
    const { segmentSize, blockSize } = this.#range;
    const here = `WAL ends at ${formatLsn(at)}`;
    let segment = pages.segmentAt(at);
    const offset = pages.offsetOf(at);
    const length = segment.readUInt32LE(offset);
    if (length === 0) throw new Stumble(`${here}: no record follows`);
    if (length < XLOG_RECORD_HEADER || length > MAX_RECORD) throw new Stumble(`${here}: a record of ${length} bytes`);
    let end = at + length;
    const room = blockSize - (at % blockSize);
    let record: Buffer;
    if (length <= room) record = segment.subarray(offset, offset + length);
    else {
      // The length may be nonsense: pieces are collected as they are found, not allocated at once.
      const pieces = [segment.subarray(offset, offset + room)];
      let left = length - room;
      for (let page = at + room; left > 0; page += blockSize) {
        const { flags, rest } = pages.enter(page);
        if ((flags & XLP_FIRST_IS_OVERWRITE_CONTRECORD) !== 0) {
          // Nobody has entered its first record yet.
          this.#at = pages.content;
          return undefined;
        }
        if ((flags & XLP_FIRST_IS_CONTRECORD) === 0 || rest !== left) {
          throw new Stumble(`${here}: the record is not continued on the page at ${formatLsn(page)}`);
        }
        segment = pages.segmentAt(page);
        const piece = Math.min(left, page + blockSize - pages.content);
        const from = pages.offsetOf(pages.content);
        pieces.push(segment.subarray(from, from + piece));
        left -= piece;
        end = pages.content + piece;
      }
      record = Buffer.concat(pieces);
    }
    if (!hasItsCrc(record)) throw new Stumble(`the record at ${formatLsn(at)} does not have its CRC`);
    this.#checkPrevious(at, record);
    this.#at = isSwitch(record) ? Math.ceil(end / segmentSize) * segmentSize : Math.ceil(end / 8) * 8;
    return record;
  }

  /** A recycled segment holds old records behind the last new one: those name another predecessor. */
  #checkPrevious(at: Lsn, record: Buffer): void {
    const previous = record.readUInt32LE(AT_PREV + 4) * 2 ** 32 + record.readUInt32LE(AT_PREV);
    if (this.#last === undefined ? previous < at : previous === this.#last) return;
    const before = this.#last === undefined ? 'anything before it' : `the one at ${formatLsn(this.#last)}`;
    throw new Stumble(`the record at ${formatLsn(at)} does not follow ${before}`);
  }
}

/**
 * Reads all records of the range.
 * @returns what recovery would stumble over first; undefined when it would get to the end
 * @throws what `segmentOf` throws
 */
export function walkRecords(range: WalRange, segmentOf: SegmentOf): WalFault | undefined {
  const walk = new RecordWalk(range, segmentOf);
  while (walk.next() !== undefined);
  return walk.fault;
}
