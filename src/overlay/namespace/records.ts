// What the journal's records say: changes of names and attributes, several to a record so that a rename is one step.
//
// A payload is a JSON array: [time in ms, change, change, …]. Names and paths are latin1 strings (one character a
// byte); JSON carries them unchanged. Inodes are named by journal ids, which are never reused; 1 is the root.

import { PbkfsError } from '../../errors.js';

export const ROOT_JOURNAL_ID = 1;

/** Everything the journal knows of an inode when it first mentions it. */
export interface NodeFields {
  mode: number;
  uid: number;
  gid: number;
  rdev?: number;
  /** [seconds, nanoseconds] */
  atime: readonly [number, number];
  mtime: readonly [number, number];
  ctime: readonly [number, number];
  target?: string;
  /** path in the target backup's content list whose content this inode shows */
  base?: string;
  object?: string;
  /** size at a clean unmount; only then is it here */
  size?: number;
  /** blocks of 8 KiB that object and map of a file of the backup take; at a clean unmount, as the size */
  blocks?: number;
}

export type AttributeFields = Partial<Pick<NodeFields, 'mode' | 'uid' | 'gid' | 'atime' | 'mtime' | 'ctime'>>;

export type Change =
  /** an inode becomes known */
  | readonly ['node', id: number, fields: NodeFields]
  /** a name leads to an inode, replacing what it led to */
  | readonly ['link', directory: number, name: string, id: number]
  /** a name is gone; the backup's file of that name is hidden */
  | readonly ['unlink', directory: number, name: string]
  | readonly ['attributes', id: number, fields: AttributeFields]
  /** an inode of the backup gets an object for its changed blocks */
  | readonly ['object', id: number, object: string]
  /** final counts of an inode, after the links of a compacted journal */
  | readonly ['counts', id: number, links: number, subdirectories: number]
  /** a mount began: what follows may be unknown to the journal, because data changes are not in it */
  | readonly ['opened', bootId: string]
  /** the journal up to here is the whole truth: everything was synced when it was written */
  | readonly ['clean'];

export interface JournalRecord {
  /** ms since 1970 */
  time: number;
  changes: readonly Change[];
}

export function encodeRecord(record: JournalRecord): Uint8Array {
  return Buffer.from(JSON.stringify([record.time, ...record.changes]));
}

/** Payloads of records, each made when it is asked for. */
export function* encodeRecords(records: Iterable<JournalRecord>): IterableIterator<Uint8Array> {
  for (const record of records) yield encodeRecord(record);
}

const arity: Record<Change[0], number> = {
  node: 3,
  link: 4,
  unlink: 3,
  attributes: 3,
  object: 3,
  counts: 4,
  opened: 2,
  clean: 1,
};

/** @throws PbkfsError diff_damaged when a payload with a good checksum does not say anything this version knows */
export function decodeRecord(payload: Uint8Array): JournalRecord {
  try {
    const [time, ...changes] = JSON.parse(Buffer.from(payload).toString()) as [number, ...Change[]];
    const known = changes.every((change) => Array.isArray(change) && arity[change[0]] === change.length);
    if (typeof time === 'number' && known) return { time, changes };
  } catch {
    // falls through: not JSON is as bad as unknown content
  }
  throw new PbkfsError('diff_damaged', 'the journal of the diff holds a record of an unknown kind', {
    hint: 'it was written by a newer pbkfs; use that version',
  });
}

/** Records of a journal, each read when it is asked for. @throws as decodeRecord */
export function* decodeRecords(raw: Iterable<{ readonly payload: Uint8Array }>): IterableIterator<JournalRecord> {
  for (const { payload } of raw) yield decodeRecord(payload);
}
