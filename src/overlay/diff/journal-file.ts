// Whole journal files: writing a new one, and reading one back with the decision between a torn tail and damage.

import { PbkfsError } from '../../errors.js';
import {
  decodeJournalHeader,
  decodeRawRecord,
  encodeJournalHeader,
  encodeRawRecord,
  JOURNAL_HEADER,
  peekSequence,
  type RawRecord,
  recordSize,
} from './journal-format.js';
import { closeQuietly, type DiffStorage, preadFully, pwriteFully, unlinkQuietly } from './storage.js';

/** Bytes written at a time. */
const CHUNK = 1 << 20;

function damaged(path: string, what: string): PbkfsError {
  return new PbkfsError('diff_damaged', `journal ${path} ${what}`, {
    hint: 'The names in this diff cannot be trusted any more: restore it from a copy, or start with a new, empty diff.',
  });
}

/**
 * Creates a journal file with these records and syncs its content, not its name. Leaves nothing behind on failure. There may
 * be millions: each is asked for when its turn has come, and kept until some of them are written.
 */
export function writeJournal(
  storage: DiffStorage,
  path: string,
  payloads: Iterable<Uint8Array>,
  before: number,
): { fd: number; end: number; last: number } {
  const fd = storage.open(path, 'create');
  try {
    let end = JOURNAL_HEADER;
    let last = before;
    let chunk: Uint8Array[] = [];
    let bytes = 0;
    const write = (): void => {
      const out = new Uint8Array(bytes);
      let at = 0;
      for (const payload of chunk) {
        encodeRawRecord(out, at, { sequence: ++last, syncedThrough: before, payload });
        at += recordSize(payload.length);
      }
      pwriteFully(storage, fd, out, 0, bytes, end);
      end += bytes;
      chunk = [];
      bytes = 0;
    };
    for (const payload of payloads) {
      chunk.push(payload);
      bytes += recordSize(payload.length);
      if (bytes >= CHUNK) write();
    }
    if (bytes > 0) write();
    // It says syncedThrough = last: the file gets its name only when that has come true.
    pwriteFully(storage, fd, encodeJournalHeader(before, last), 0, JOURNAL_HEADER, 0);
    storage.fdatasync(fd);
    return { fd, end, last };
  } catch (error) {
    closeQuietly(storage, fd);
    unlinkQuietly(storage, path);
    throw error;
  }
}

/** Reads all whole records from the start; decides whether what follows them is a torn tail or damage. */
export function scanJournal(
  storage: DiffStorage,
  path: string,
  fd: number,
): { records: RawRecord[]; end: number; last: number; size: number } {
  const bytes = new Uint8Array(storage.size(fd));
  preadFully(storage, fd, bytes, 0);
  const header = decodeJournalHeader(bytes);
  if (header === 'newer') throw damaged(path, 'has a format version this program does not know');
  if (header === undefined) throw damaged(path, 'has a broken header');
  const records: RawRecord[] = [];
  let end = JOURNAL_HEADER;
  let last = header.before;
  let durable = header.syncedThrough;
  for (;;) {
    const record = decodeRawRecord(bytes, end);
    if (record === undefined || record.sequence !== last + 1) break;
    records.push(record);
    end += recordSize(record.payload.length);
    last = record.sequence;
    durable = Math.max(durable, record.syncedThrough);
  }
  // Later records that are whole were appended after the broken one; what they know to have been durable must be there.
  for (let at = end; at + 8 <= bytes.length; at += 8) {
    const sequence = peekSequence(bytes, at);
    if (sequence <= last || sequence > last + bytes.length) continue;
    durable = Math.max(durable, decodeRawRecord(bytes, at)?.syncedThrough ?? 0);
  }
  if (durable > last) throw damaged(path, `is broken after record ${last}; records up to ${durable} were durable`);
  return { records, end, last, size: bytes.length };
}
