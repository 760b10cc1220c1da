// Writes WAL as PostgreSQL 15 does: pages, records with CRCs, records that cross pages and segments, segment switches.

import { crc32c } from '../../src/backup/index.js';
import { segmentName } from '../../src/backup/wal/index.js';

const CONTINUED = 1;
const LONG = 2;
const OVERWRITE = 8;

export class WalWriter {
  /** Segments by number. */
  readonly segments = new Map<number, Buffer>();
  /** Where each record begins. */
  readonly records: number[] = [];
  readonly segmentSize: number;
  /** Bytes of a page. */
  readonly blockSize: number;
  readonly #timeline: number;
  readonly #system: bigint;
  #at: number;
  #previous = 0;

  /** @param at position of the first page; the first record follows its header */
  constructor(at: number, segmentSize = 1 << 20, timeline = 1, system = 7n, blockSize = 8192) {
    this.#at = at;
    this.segmentSize = segmentSize;
    this.blockSize = blockSize;
    this.#timeline = timeline;
    this.#system = system;
  }

  /** Where the last record ends. */
  get end(): number {
    return this.#at;
  }

  /** Segments by file name. */
  files(): Map<string, Buffer> {
    return new Map(
      [...this.segments].map(([number, bytes]) => [segmentName(this.#timeline, number, this.segmentSize), bytes]),
    );
  }

  /** Adds a record. @param length of the whole record, 24 or more */
  record(length: number, rmid = 10, info = 0): this {
    const record = this.#begin(length, rmid, info);
    this.#put(record, 0, length);
    this.#previous = this.records.at(-1)!;
    return this;
  }

  /** Adds a record of nothing but main data. */
  main(rmid: number, info: number, data: Buffer, xid = 0): this {
    const header = Buffer.alloc(5, 254);
    header.writeUInt32LE(data.length, 1);
    return this.body(rmid, info, Buffer.concat([header, data]), xid);
  }

  /** Adds a record. @param body everything behind its header */
  body(rmid: number, info: number, body: Buffer, xid = 0): this {
    const record = this.#begin(24 + body.length, rmid, info, (bytes) => {
      bytes.writeUInt32LE(xid, 4);
      body.copy(bytes, 24);
    });
    this.#put(record, 0, record.length);
    this.#previous = this.records.at(-1)!;
    return this;
  }

  /** XLOG_XACT_COMMIT. @param time µs since 1970 */
  commit(xid: number, time: number): this {
    return this.main(1, 0, timestamp(time), xid);
  }

  /** XLOG_XACT_ABORT. */
  abort(xid: number, time: number): this {
    return this.main(1, 0x20, timestamp(time), xid);
  }

  /** Adds records until `stop` is reached or passed. */
  fillTo(stop: number): this {
    for (let n = 0; this.#at < stop; n++) this.record(24 + ((n * 97) % 700));
    return this;
  }

  /** XLOG_SWITCH: the next record begins the next segment. */
  switchSegment(): this {
    this.record(24, 0, 0x40);
    this.#at = Math.ceil(this.#at / this.segmentSize) * this.segmentSize;
    return this;
  }

  /** A record that a crash cut off at the end of the page; the next page says that it was given up. */
  abandoned(length: number): this {
    const record = this.#begin(length, 10, 0);
    this.records.pop();
    this.#put(record, 0, Math.min(length, this.blockSize - (this.#at % this.blockSize)));
    this.#header(OVERWRITE, 0);
    return this;
  }

  #begin(length: number, rmid: number, info: number, fill: (record: Buffer) => void = () => undefined): Buffer {
    this.#at = Math.ceil(this.#at / 8) * 8;
    if (this.#at % this.blockSize === 0) this.#header(0, 0);
    const record = Buffer.alloc(length);
    for (let i = 24; i < length; i++) record[i] = (this.#at / 8 + i) & 0xff;
    record.writeUInt32LE(length, 0);
    record.writeBigUInt64LE(BigInt(this.#previous), 8);
    record[16] = info;
    record[17] = rmid;
    fill(record);
    record.writeUInt32LE(crc32c(record.subarray(0, 20), crc32c(record.subarray(24))), 20);
    this.records.push(this.#at);
    return record;
  }

  #put(bytes: Buffer, from: number, to: number): void {
    for (let done = from; done < to; ) {
      if (this.#at % this.blockSize === 0) this.#header(CONTINUED, to - done);
      const piece = Math.min(to - done, this.blockSize - (this.#at % this.blockSize));
      bytes.copy(this.#segment(), this.#at % this.segmentSize, done, done + piece);
      this.#at += piece;
      done += piece;
    }
  }

  /** The WAL of a new timeline that begins where this one is: its first segment repeats what is there. */
  branch(timeline: number): WalWriter {
    const child = new WalWriter(this.#at, this.segmentSize, timeline, this.#system, this.blockSize);
    child.#previous = this.#previous;
    const number = Math.floor(this.#at / this.segmentSize);
    const segment = this.segments.get(number);
    if (segment !== undefined) child.segments.set(number, Buffer.from(segment));
    return child;
  }

  #segment(): Buffer {
    const number = Math.floor(this.#at / this.segmentSize);
    const segment = this.segments.get(number) ?? Buffer.alloc(this.segmentSize);
    this.segments.set(number, segment);
    return segment;
  }

  #header(flags: number, rest: number): void {
    const offset = this.#at % this.segmentSize;
    const segment = this.#segment();
    segment.writeUInt16LE(0xd110, offset);
    segment.writeUInt16LE(flags | (offset === 0 ? LONG : 0), offset + 2);
    segment.writeUInt32LE(this.#timeline, offset + 4);
    segment.writeBigUInt64LE(BigInt(this.#at), offset + 8);
    segment.writeUInt32LE(rest, offset + 16);
    if (offset === 0) {
      segment.writeBigUInt64LE(this.#system, 24);
      segment.writeUInt32LE(this.segmentSize, 32);
      segment.writeUInt32LE(this.blockSize, 36);
    }
    this.#at += offset === 0 ? 40 : 24;
  }
}

/** As WAL has it, from 2000 on. @param time µs since 1970 */
export function timestamp(time: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt(time) - 946_684_800_000_000n);
  return bytes;
}
