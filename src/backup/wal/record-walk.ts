// Following WAL record by record, each against its own CRC, as recovery will: from one position to another.

import { formatLsn, type Lsn } from './lsn.js';
import { AT_PREV, hasItsCrc, isSwitch, MAX_RECORD, RECORD_HEADER } from './record-format.js';
import {
  LONG_HEADER,
  readSegmentHeader,
  SHORT_HEADER,
  XLOG_BLCKSZ,
  XLP_FIRST_IS_CONTRECORD,
} from './segment-header.js';

/** A page begins with this flag where PostgreSQL 14 or later gave up a record that a crash had cut off. */
const XLP_FIRST_IS_OVERWRITE_CONTRECORD = 8;

/** Gives the whole segment of a number, or throws. Segments are asked for in ascending order, each once. */
export type SegmentOf = (number: number) => Buffer;

export interface WalRange {
  /** Where a record begins, such as a backup's start-lsn. */
  readonly start: Lsn;
  /** Every record that begins before it is checked. */
  readonly stop: Lsn;
  /** The timeline the range ends on; pages of older ones may come first. */
  readonly timeline: number;
  /** Bytes. */
  readonly segmentSize: number;
  /** Of the cluster, when it is known. */
  readonly systemIdentifier?: string | undefined;
}

export interface WalFault {
  /** The segment it is in. */
  readonly segment: number;
  readonly message: string;
}

/**
 * Reads all records of the range.
 * @returns what recovery would stumble over first; undefined when it would get to the end
 * @throws what `segmentOf` throws
 */
export function walkRecords(range: WalRange, segmentOf: SegmentOf): WalFault | undefined {
  const pages = new WalPages(range, segmentOf);
  try {
    let at = range.start;
    let previous: Lsn | undefined;
    for (;;) {
      at = pages.skipHeader(at);
      if (at >= range.stop) return undefined;
      const next = readRecord(pages, at, previous, range.segmentSize);
      if (next.whole) previous = at;
      at = next.at;
    }
  } catch (error) {
    if (!(error instanceof Stumble)) throw error;
    return { segment: pages.number, message: error.message };
  }
}

class Stumble extends Error {}

/** Pages one after another, each header checked when the page is entered. */
class WalPages {
  readonly #range: WalRange;
  readonly #segmentOf: SegmentOf;
  #segment: Buffer = Buffer.alloc(0);
  #number = -1;
  /** Position of the page that was entered last. */
  #page: Lsn = -1;
  #headerSize = 0;

  constructor(range: WalRange, segmentOf: SegmentOf) {
    this.#range = range;
    this.#segmentOf = segmentOf;
  }

  get number(): number {
    return this.#number;
  }

  /** The segment that holds `at`, and the offset in it through {@link offsetOf}. */
  segmentAt(at: Lsn): Buffer {
    const number = Math.floor(at / this.#range.segmentSize);
    if (number !== this.#number) {
      this.#number = number;
      this.#segment = this.#segmentOf(number);
    }
    return this.#segment;
  }

  offsetOf(at: Lsn): number {
    return at - this.#number * this.#range.segmentSize;
  }

  /** Where the record at or behind `at` begins: behind the page's header, when `at` is the start of a page. */
  skipHeader(at: Lsn): Lsn {
    if (at % XLOG_BLCKSZ !== 0) {
      if (this.#page < 0) this.enter(at - (at % XLOG_BLCKSZ));
      return at;
    }
    // Nothing of this page is needed when the range ends here, and it may be in a segment that is not there.
    if (at >= this.#range.stop) return at;
    this.enter(at);
    return at + this.#headerSize;
  }

  /** Checks the header of the page at `page`. @returns its flags and what it holds of an earlier record, in bytes */
  enter(page: Lsn): { flags: number; rest: number } {
    const segment = this.segmentAt(page);
    const offset = this.offsetOf(page);
    const { segmentSize, timeline, systemIdentifier } = this.#range;
    this.#page = page;
    const flags = segment.readUInt16LE(offset + 2);
    const address = segment.readBigUInt64LE(offset + 8);
    if (address !== BigInt(page)) throw new Stumble(`WAL ends at ${formatLsn(page)}: no page of this place follows`);
    if (segment.readUInt32LE(offset + 4) > timeline) {
      throw new Stumble(
        `the page at ${formatLsn(page)} is of timeline ${segment.readUInt32LE(offset + 4)}, later than ${timeline}`,
      );
    }
    this.#headerSize = SHORT_HEADER;
    if (offset === 0) {
      const header = readSegmentHeader(segment);
      if (header === undefined || header.segmentSize !== segmentSize) {
        throw new Stumble(`it does not begin like a WAL segment of ${segmentSize} bytes`);
      }
      if (systemIdentifier !== undefined && header.systemIdentifier !== BigInt(systemIdentifier)) {
        throw new Stumble(`it belongs to another cluster (${header.systemIdentifier}, not ${systemIdentifier})`);
      }
      this.#headerSize = LONG_HEADER;
    }
    return { flags, rest: segment.readUInt32LE(offset + 16) };
  }

  /** Behind the header of the page entered last. */
  get content(): Lsn {
    return this.#page + this.#headerSize;
  }
}

/** @returns where the next record is to be looked for, and whether this one was whole */
function readRecord(
  pages: WalPages,
  at: Lsn,
  previous: Lsn | undefined,
  segmentSize: number,
): { at: Lsn; whole: boolean } {
  const here = `WAL ends at ${formatLsn(at)}`;
  let segment = pages.segmentAt(at);
  const length = segment.readUInt32LE(pages.offsetOf(at));
  if (length === 0) throw new Stumble(`${here}: no record follows`);
  if (length < RECORD_HEADER || length > MAX_RECORD) throw new Stumble(`${here}: a record of ${length} bytes`);
  let record: Buffer;
  let end = at + length;
  const room = XLOG_BLCKSZ - (at % XLOG_BLCKSZ);
  if (length <= room) record = segment.subarray(pages.offsetOf(at), pages.offsetOf(at) + length);
  else {
    // The length may be nonsense: pieces are collected as they are found, not allocated at once.
    const pieces = [segment.subarray(pages.offsetOf(at), pages.offsetOf(at) + room)];
    let left = length - room;
    for (let page = at + room; left > 0; page += XLOG_BLCKSZ) {
      const { flags, rest } = pages.enter(page);
      if ((flags & XLP_FIRST_IS_OVERWRITE_CONTRECORD) !== 0) return { at: page, whole: false };
      if ((flags & XLP_FIRST_IS_CONTRECORD) === 0 || rest !== left) {
        throw new Stumble(`${here}: the record is not continued on the page at ${formatLsn(page)}`);
      }
      segment = pages.segmentAt(page);
      const piece = Math.min(left, page + XLOG_BLCKSZ - pages.content);
      const offset = pages.offsetOf(pages.content);
      pieces.push(segment.subarray(offset, offset + piece));
      left -= piece;
      end = pages.content + piece;
    }
    record = Buffer.concat(pieces);
  }
  if (!hasItsCrc(record)) throw new Stumble(`the record at ${formatLsn(at)} does not have its CRC`);
  if (previous !== undefined && record.readBigUInt64LE(AT_PREV) !== BigInt(previous)) {
    throw new Stumble(`the record at ${formatLsn(at)} does not follow the one at ${formatLsn(previous)}`);
  }
  const next = isSwitch(record) ? Math.ceil(end / segmentSize) * segmentSize : Math.ceil(end / 8) * 8;
  return { at: next, whole: true };
}
