// Pages of WAL one after another, each header checked as recovery does when it enters the page.

import { formatLsn, type Lsn } from './lsn.js';
import {
  LONG_HEADER,
  readSegmentHeader,
  SHORT_HEADER,
  XLP_ALL_FLAGS,
  XLP_FIRST_IS_CONTRECORD,
} from './segment-header.js';
import { spanAt, type TimelineSpan } from './timelines.js';

/** Gives the whole segment of a number, undefined where there is none, or throws. Asked in ascending order, each once. */
export type SegmentOf = (number: number) => Buffer | undefined;

export interface WalRange {
  /** Where a record begins; the start of a page stands for the first record that begins in it or behind. */
  readonly start: Lsn;
  /** Every record that begins before it is read. */
  readonly stop: Lsn;
  /** The timelines that the range follows, oldest first. */
  readonly timelines: readonly TimelineSpan[];
  /** Bytes. */
  readonly segmentSize: number;
  /** Bytes of a page: 8192, unless PostgreSQL was built --with-wal-blocksize. */
  readonly blockSize: number;
  /** Of the cluster, when it is known. */
  readonly systemIdentifier?: string | undefined;
}

/** Why recovery would take this for the end of the WAL. */
export class Stumble extends Error {}

export class WalPages {
  readonly #range: WalRange;
  readonly #segmentOf: SegmentOf;
  #segment: Buffer = Buffer.alloc(0);
  #number = -1;
  /** Position of the page that was entered last; undefined before the first. */
  #page: Lsn | undefined;
  #headerSize = 0;
  #magic: number | undefined;
  #timeline = 0;

  constructor(range: WalRange, segmentOf: SegmentOf) {
    this.#range = range;
    this.#segmentOf = segmentOf;
  }

  /** Of the segment asked for last. */
  get number(): number {
    return this.#number;
  }

  /** Behind the header of the page entered last. */
  get content(): Lsn {
    return this.#page! + this.#headerSize;
  }

  /** The segment that holds `at`, and the offset in it through {@link offsetOf}. */
  segmentAt(at: Lsn): Buffer {
    const number = Math.floor(at / this.#range.segmentSize);
    if (number !== this.#number) {
      this.#number = number;
      const segment = this.#segmentOf(number);
      if (segment === undefined) throw new Stumble(`WAL ends at ${formatLsn(at)}: there is no such segment`);
      this.#segment = segment;
    }
    return this.#segment;
  }

  offsetOf(at: Lsn): number {
    return at - this.#number * this.#range.segmentSize;
  }

  /** Where the record at or behind `at` begins: behind the page's header, when `at` is the start of a page. */
  skipHeader(at: Lsn): Lsn {
    const { blockSize } = this.#range;
    if (at % blockSize !== 0) {
      if (this.#page === undefined) this.enter(at - (at % blockSize));
      return at;
    }
    // Nothing of this page is needed when the range ends here, and it may be in a segment that is not there.
    if (at >= this.#range.stop) return at;
    if (this.#page === undefined) return this.#firstRecord(at);
    const { flags } = this.enter(at);
    if ((flags & XLP_FIRST_IS_CONTRECORD) === 0) return this.content;
    throw new Stumble(`WAL ends at ${formatLsn(at)}: the page goes on with a record that did not begin`);
  }

  /** Behind what the page holds of a record that began before it, whose pages may be many. */
  #firstRecord(start: Lsn): Lsn {
    const { stop, blockSize } = this.#range;
    for (let page = start; page < stop; page += blockSize) {
      const { flags, rest } = this.enter(page);
      const behind = this.content + ((flags & XLP_FIRST_IS_CONTRECORD) === 0 ? 0 : Math.ceil(rest / 8) * 8);
      if (behind <= page + blockSize) return behind === page + blockSize ? this.skipHeader(behind) : behind;
    }
    return stop;
  }

  /** Checks the header of the page at `page`. @returns its flags and what it holds of an earlier record, in bytes */
  enter(page: Lsn): { flags: number; rest: number } {
    const segment = this.segmentAt(page);
    const offset = this.offsetOf(page);
    this.#page = page;
    const magic = segment.readUInt16LE(offset);
    const flags = segment.readUInt16LE(offset + 2);
    this.#magic ??= magic;
    const address = segment.readBigUInt64LE(offset + 8);
    if (address !== BigInt(page) || magic === 0) {
      throw new Stumble(`WAL ends at ${formatLsn(page)}: no page of this place follows`);
    }
    if (magic !== this.#magic || (flags & ~XLP_ALL_FLAGS) !== 0) {
      throw new Stumble(`the page at ${formatLsn(page)} has a header that no other page has`);
    }
    this.#checkTimeline(page, segment.readUInt32LE(offset + 4));
    this.#headerSize = SHORT_HEADER;
    if (offset === 0) {
      this.#checkSegment(segment);
      this.#headerSize = LONG_HEADER;
    }
    return { flags, rest: segment.readUInt32LE(offset + 16) };
  }

  #checkTimeline(page: Lsn, timeline: number): void {
    const span = spanAt(this.#range.timelines, page);
    const what = `the page at ${formatLsn(page)} is of timeline ${timeline}`;
    if (timeline > span.timeline) throw new Stumble(`${what}, later than ${span.timeline}`);
    // A segment that a new timeline begins in repeats the pages of the old one up to that point, and no further.
    if (timeline < this.#timeline) throw new Stumble(`${what}, and the one before of timeline ${this.#timeline}`);
    if (timeline < span.timeline && span.begin > 0) {
      throw new Stumble(`${what}, which was left for timeline ${span.timeline} at ${formatLsn(span.begin)}`);
    }
    this.#timeline = timeline;
  }

  #checkSegment(segment: Buffer): void {
    const { segmentSize, blockSize, systemIdentifier } = this.#range;
    const header = readSegmentHeader(segment);
    if (header === undefined || header.segmentSize !== segmentSize) {
      throw new Stumble(`it does not begin like a WAL segment of ${segmentSize} bytes`);
    }
    if (header.blockSize !== blockSize) {
      throw new Stumble(`it has WAL blocks of ${header.blockSize} bytes, those of the backup have ${blockSize}`);
    }
    if (systemIdentifier !== undefined && header.systemIdentifier !== BigInt(systemIdentifier)) {
      throw new Stumble(`it belongs to another cluster (${header.systemIdentifier}, not ${systemIdentifier})`);
    }
  }
}
