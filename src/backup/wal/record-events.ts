// What the few WAL records say that tell when something was committed, or which directory is touched.

import { invalidDatabaseOf } from './invalid-database.js';
import type { Lsn } from './lsn.js';
import { AT_RMID, AT_XID, infoOf, mainData, RM_XLOG } from './record-format.js';

/** What recovery can stop at, and what it must not do unseen. Times are microseconds since 1970. */
export type WalEvent =
  | { readonly kind: 'commit' | 'abort'; readonly lsn: Lsn; readonly xid: number; readonly time: number }
  /** A prepared transaction came to its end; its xid is inside the record and not read. */
  | { readonly kind: 'prepared-end'; readonly lsn: Lsn; readonly time: number }
  | { readonly kind: 'restore-point'; readonly lsn: Lsn; readonly name: string; readonly time: number }
  /** CREATE TABLESPACE: replaying it changes the directory `path` of this host. */
  | { readonly kind: 'tablespace'; readonly lsn: Lsn; readonly oid: number; readonly path: string }
  /** DROP DATABASE begins: nobody can connect any more. Older versions do not write it. */
  | { readonly kind: 'invalid-database'; readonly lsn: Lsn; readonly oid: number; readonly name: string }
  /** DROP DATABASE: replaying it removes all files of the database, before the transaction commits. */
  | { readonly kind: 'drop-database'; readonly lsn: Lsn; readonly xid: number; readonly oid: number }
  /** The files of a database have been copied, their pages not logged: CREATE DATABASE, ALTER DATABASE SET TABLESPACE. */
  | { readonly kind: 'copy-database'; readonly lsn: Lsn; readonly from: DatabasePlace; readonly to: DatabasePlace };

export interface DatabasePlace {
  readonly tablespace: number;
  readonly database: number;
}

export type TransactionEnd = Extract<WalEvent, { readonly kind: 'commit' | 'abort' | 'prepared-end' }>;

/** Whether PostgreSQL compares a target time with it. */
export function endsTransaction(event: WalEvent): event is TransactionEnd {
  return event.kind === 'commit' || event.kind === 'abort' || event.kind === 'prepared-end';
}

const RM_XACT = 1;
const RM_DBASE = 4;
const RM_TBLSPC = 5;
const RM_HEAP = 10;
const XLOG_RESTORE_POINT = 0x70;
/** From 15 on, where 0x10 is a CREATE DATABASE that logs every page. */
const DBASE_DROP = 0x20;
const DBASE_COPY = 0;
const DBASE_DROP_BEFORE_15 = 0x10;
const HEAP_INPLACE = 0x70;
const XACT_OPMASK = 0x70;
const XACT_KINDS: Readonly<Record<number, 'commit' | 'abort' | 'prepared-end'>> = {
  0: 'commit',
  32: 'abort',
  48: 'prepared-end',
  64: 'prepared-end',
};
/** Microseconds from 1970 to 2000, where PostgreSQL's clock begins. */
const EPOCH = 946_684_800_000_000;

/** What the record says of those things. @param lsn where it begins @param major version of PostgreSQL, 15 where it is unknown */
export function eventOf(record: Buffer, lsn: Lsn, major: number): WalEvent | undefined {
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
  if (manager === RM_DBASE && info === (major < 15 ? DBASE_DROP_BEFORE_15 : DBASE_DROP)) {
    const data = mainData(record);
    if (data === undefined) return undefined;
    return { kind: 'drop-database', lsn, xid: record.readUInt32LE(AT_XID), oid: data.readUInt32LE(0) };
  }
  if (manager === RM_DBASE && info === DBASE_COPY) {
    // xl_dbase_create_rec (13, 14), xl_dbase_create_file_copy_rec (15-18)
    const data = mainData(record);
    if (data === undefined || data.length < 16) return undefined;
    const place = (at: number): DatabasePlace => ({
      database: data.readUInt32LE(at),
      tablespace: data.readUInt32LE(at + 4),
    });
    return { kind: 'copy-database', lsn, from: place(8), to: place(0) };
  }
  if (manager === RM_HEAP && info === HEAP_INPLACE) {
    const found = invalidDatabaseOf(record, major);
    return found && { kind: 'invalid-database', lsn, ...found };
  }
  if (manager === RM_TBLSPC && info === 0) {
    const data = mainData(record);
    return data === undefined ? undefined : { kind: 'tablespace', lsn, oid: data.readUInt32LE(0), path: text(data, 4) };
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
