// Reads the records of WAL segments, for the few that say when something was committed or which directory is touched.

import type { Lsn } from './lsn.js';
import {
  AT_PREV,
  AT_RMID,
  AT_XID,
  hasItsCrc,
  infoOf,
  isSwitch,
  MAX_RECORD,
  RECORD_HEADER,
  RM_XLOG,
} from './record-format.js';
import { LONG_HEADER, SHORT_HEADER, XLOG_BLCKSZ, XLP_FIRST_IS_CONTRECORD, XLP_LONG_HEADER } from './segment-header.js';

/** What recovery can stop at, and what it must not do unseen. Times are microseconds since 1970. */
export type WalEvent =
  | { readonly kind: 'commit' | 'abort'; readonly lsn: Lsn; readonly xid: number; readonly time: number }
  /** A prepared transaction came to its end; its xid is inside the record and not read. */
  | { readonly kind: 'prepared-end'; readonly lsn: Lsn; readonly time: number }
  | { readonly kind: 'restore-point'; readonly lsn: Lsn; readonly name: string; readonly time: number }
  /** CREATE TABLESPACE: replaying it changes the directory `path` of this host. */
  | { readonly kind: 'tablespace'; readonly lsn: Lsn; readonly oid: number; readonly path: string };

const RM_XACT = 1;
const RM_TBLSPC = 5;
const XLOG_RESTORE_POINT = 0x70;
const XACT_OPMASK = 0x70;
const XACT_KINDS: Readonly<Record<number, 'commit' | 'abort' | 'prepared-end'>> = {
  0: 'commit',
  32: 'abort',
  48: 'prepared-end',
  64: 'prepared-end',
};
/** Microseconds from 1970 to 2000, where PostgreSQL's clock begins. */
const EPOCH = 946_684_800_000_000;

/** Takes segments one after another and hands out events; knows where the WAL ends. */
export class RecordReader {
  /** Where the last whole record began, and where it ended; NaN before the first one. */
  lastRecord: Lsn = Number.NaN;
  end: Lsn = Number.NaN;
  /** The WAL ended within a segment: nothing that follows counts. */
  finished = false;
  readonly #segmentSize: number;
  #from: Lsn;
  #parts: Buffer[] = [];
  #start: Lsn = 0;
  /** Bytes of a record that are still to come, and whether it began before the first segment. */
  #missing = 0;
  #skipping = false;
  #first = true;

  /** @param from where a record begins; in the first segment read, everything before is passed over */
  constructor(segmentSize: number, from: Lsn = 0) {
    this.#segmentSize = segmentSize;
    this.#from = from;
  }

  /** The events of the next segment. @param number of the segment, one more than the last time */
  *read(number: number, bytes: Buffer): IterableIterator<WalEvent> {
    const base = number * this.#segmentSize;
    for (let page = 0; page < bytes.length && !this.finished; page += XLOG_BLCKSZ) {
      if (base + page + XLOG_BLCKSZ <= this.#from) continue;
      const info = bytes.readUInt16LE(page + 2);
      const valid = bytes.readUInt16LE(page) !== 0 && Number(bytes.readBigUInt64LE(page + 8)) === base + page;
      const continued = (info & XLP_FIRST_IS_CONTRECORD) !== 0;
      if (!valid || (this.#missing > 0 && !continued)) {
        this.finished = true;
        return;
      }
      let at = page + ((info & XLP_LONG_HEADER) !== 0 ? LONG_HEADER : SHORT_HEADER);
      if (this.#first) {
        this.#first = false;
        if (base + page < this.#from) at = this.#from - base;
        else if (continued) [this.#missing, this.#skipping] = [bytes.readUInt32LE(page + 16), true];
      }
      const end = page + XLOG_BLCKSZ;
      if (this.#missing > 0) {
        const taken = Math.min(this.#missing, end - at);
        if (!this.#skipping) this.#parts.push(bytes.subarray(at, at + taken));
        this.#missing -= taken;
        at += align8(taken);
        if (this.#missing > 0) continue;
        if (!this.#skipping) {
          const record = Buffer.concat(this.#parts);
          if (!this.#isGood(record, this.#start)) return;
          this.#passed(this.#start, base + at);
          const event = eventOf(record, this.#start);
          if (event !== undefined) yield event;
          if (isSwitch(record)) return;
        }
        this.#skipping = false;
        this.#parts = [];
      }
      while (at < end) {
        const length = bytes.readUInt32LE(at);
        if (length < RECORD_HEADER || length > MAX_RECORD) {
          this.finished = true;
          return;
        }
        if (at + length > end) {
          [this.#parts, this.#start, this.#missing] = [[bytes.subarray(at, end)], base + at, at + length - end];
          break;
        }
        const record = bytes.subarray(at, at + length);
        if (!this.#isGood(record, base + at)) return;
        this.#passed(base + at, base + at + align8(length));
        const event = eventOf(record, base + at);
        if (event !== undefined) yield event;
        // The rest of the segment is empty.
        if (isSwitch(record)) return;
        at += align8(length);
      }
    }
  }

  #passed(start: Lsn, end: Lsn): void {
    this.lastRecord = start;
    this.end = end;
  }

  /** A recycled segment holds old records behind the last new one: those name another predecessor. */
  #isGood(record: Buffer, start: Lsn): boolean {
    const previous = Number(record.readBigUInt64LE(AT_PREV));
    const follows = Number.isNaN(this.lastRecord) ? previous < start : previous === this.lastRecord;
    if (follows && hasItsCrc(record)) return true;
    this.finished = true;
    return false;
  }
}

function align8(value: number): number {
  return (value + 7) & ~7;
}

function eventOf(record: Buffer, lsn: Lsn): WalEvent | undefined {
  const manager = record[AT_RMID]!;
  const info = infoOf(record);
  if (manager === RM_XACT) {
    const kind = XACT_KINDS[info & XACT_OPMASK];
    const data = kind === undefined ? undefined : mainData(record);
    if (kind === undefined || data === undefined || data.length < 8) return undefined;
    const time = timeOf(data);
    if (kind === 'prepared-end') return { kind, lsn, time };
    return { kind, lsn, xid: record.readUInt32LE(AT_XID), time };
  }
  if (manager === RM_XLOG && info === XLOG_RESTORE_POINT) {
    const data = mainData(record);
    return data === undefined ? undefined : { kind: 'restore-point', lsn, time: timeOf(data), name: text(data, 8) };
  }
  if (manager === RM_TBLSPC && info === 0) {
    const data = mainData(record);
    return data === undefined ? undefined : { kind: 'tablespace', lsn, oid: data.readUInt32LE(0), path: text(data, 4) };
  }
  return undefined;
}

/** Of a record that changes no block, as all of ours are. */
function mainData(record: Buffer): Buffer | undefined {
  for (let at = RECORD_HEADER; at < record.length; ) {
    switch (record[at]) {
      case 255:
        return record.subarray(record.length - record[at + 1]!);
      case 254:
        return record.subarray(record.length - record.readUInt32LE(at + 1));
      case 253: // replication origin
        at += 3;
        break;
      case 252: // top-level transaction
        at += 5;
        break;
      default:
        return undefined;
    }
  }
  return undefined;
}

function timeOf(data: Buffer): number {
  return Number(data.readBigInt64LE(0)) + EPOCH;
}

function text(data: Buffer, from: number): string {
  const end = data.indexOf(0, from);
  return data.subarray(from, end < 0 ? data.length : end).toString();
}
