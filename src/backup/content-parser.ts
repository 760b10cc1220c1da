// Parser of backup_content.control: lines that look like JSON and are not (format page 3.1). Works on bytes.

import { PbkfsError } from '../errors.js';
import { displayPath } from './byte-path.js';
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from './constants.js';
import { allNeeded, findKey, isLinkedKey, resetRow } from './content-line-keys.js';
import { ContentList, type ListRow, VANISHED } from './content-list.js';
import { ListInput } from './lists/list-input.js';
import { PATH_OFFSET, UsualLine } from './lists/usual-line.js';
import { DATABASE_MAP } from './tablespace-map.js';

const NEWLINE = 0x0a;
const QUOTE = 0x22;
const COMMA = 0x2c;
const SLASH = 0x2f;
const COLON = 0x3a;
const BLANK = 0x20;
const DOT = 0x2e;
const CLOSE = 0x7d;

const lineStart = Buffer.from('{"path":"', 'latin1');
const pathEnd = Buffer.from('", "size":"', 'latin1');
const databaseMap = Buffer.from(DATABASE_MAP, 'latin1');
const nextAfterLinked = ['","n_blocks":"', '","n_headers":"', '","kind":"'].map((text) => Buffer.from(text, 'latin1'));

/** What takes an entry of the list; its path is a range of `bytes`. Returns false when it was named before. */
export type TakeEntry = (bytes: Buffer, start: number, end: number, row: ListRow) => boolean;

/**
 * Reads a whole content list, entry by entry.
 * @param backupId for messages
 * @throws PbkfsError backup_damaged naming the line, for anything that is not a well-formed, unambiguous list
 */
export function scanContentList(input: ListInput, backupId: string, take: TakeEntry): void {
  const usual = new UsualLine();
  const row = {} as ListRow;
  resetRow(row);
  let lineNumber = 0;
  for (let at = 0; ; ) {
    const { bytes, end } = input;
    const next = usual.read(bytes, at, end, row);
    if (next >= 0) {
      lineNumber++;
      const start = at + PATH_OFFSET;
      if (!take(bytes, start, usual.pathEnd, row) && !isDatabaseMap(bytes, start, usual.pathEnd)) {
        throw damaged(backupId, lineNumber, namedTwice(bytes, start, usual.pathEnd));
      }
      at = next;
      continue;
    }
    if (input.isLow(at)) {
      input.more(at);
      at = 0;
      continue;
    }
    if (at >= end) break;
    const lineEnd = endOfEntry(bytes, at, end, input.complete);
    if (lineEnd < 0) {
      input.more(at);
      at = 0;
      continue;
    }
    lineNumber++;
    const start = at + lineStart.length;
    const stop = readLine(bytes, at, lineEnd, row);
    if (typeof stop === 'string') throw damaged(backupId, lineNumber, stop);
    const linesInPath = countNewlines(bytes, start, stop);
    if (row.size !== VANISHED && !take(bytes, start, stop, row) && !isDatabaseMap(bytes, start, stop)) {
      throw damaged(backupId, lineNumber, namedTwice(bytes, start, stop));
    }
    lineNumber += linesInPath;
    at = lineEnd + 1;
  }
  if (lineNumber === 0) throw damagedList(backupId, 'backup_content.control is empty');
}

/**
 * Reads one entry, however odd.
 * @param end of its line
 * @returns where its path ends, or what is wrong with it
 */
export function readLine(bytes: Buffer, at: number, end: number, row: ListRow): number | string {
  // What lies behind the end may be older than what lies before it.
  if (end - at < lineStart.length || !startsWith(bytes, at, lineStart)) return 'does not start with {"path":"';
  const start = at + lineStart.length;
  const stop = lastIndexWithin(bytes, pathEnd, start, end);
  if (stop < 0) return 'has no size behind its path';
  resetRow(row);
  const fault =
    readTail(bytes, stop + 3, end, row) ?? judgePath(bytes, start, stop) ?? judgeMode(bytes, start, stop, row);
  return fault ?? stop;
}

/**
 * Reads a content list into memory, all columns.
 * @param bytes the file
 * @throws as scanContentList
 */
export function parseContentList(bytes: Buffer, backupId: string): ContentList {
  const list = new ContentList(countNewlines(bytes, 0, bytes.length) + 1);
  scanContentList(ListInput.of(bytes), backupId, (from, start, end, row) => list.append(from, start, end, row));
  return list;
}

/** Where PGDATA has a file with the name of pg_probackup's own, both are listed, and neither is ever restored. */
function isDatabaseMap(bytes: Buffer, start: number, end: number): boolean {
  return end - start === databaseMap.length && startsWith(bytes, start, databaseMap);
}

function namedTwice(bytes: Buffer, start: number, end: number): string {
  return `names a file a second time: ${displayPath(bytes.toString('latin1', start, end))}`;
}

function damaged(backupId: string, line: number, why: string): PbkfsError {
  return damagedList(backupId, `line ${line} of backup_content.control ${why}`);
}

function damagedList(backupId: string, what: string): PbkfsError {
  return new PbkfsError('backup_damaged', `backup ${backupId}: ${what}`, {
    hint: 'validate the backup with pg_probackup, or choose another one',
  });
}

/**
 * Where the entry's line ends: index of its newline, or the end of the file; -1 when that takes more bytes to say. A path
 * may hold newlines itself.
 */
function endOfEntry(bytes: Buffer, at: number, end: number, complete: boolean): number {
  for (let from = at; ; ) {
    const newline = bytes.indexOf(NEWLINE, from);
    if (newline < 0 || newline >= end) return complete ? end : -1;
    if (bytes[newline - 1] === CLOSE) return newline;
    // Not the end of an entry: the newline belongs to the name, unless the next line is an entry of its own.
    const next = newline + 1;
    if (!complete && end - next < lineStart.length) return -1;
    if (end - next >= lineStart.length && startsWith(bytes, next, lineStart)) return newline;
    from = next;
  }
}

/** Reads `"key":"value"` pairs from the opening quote of `size` to the closing brace. @returns what is wrong, if anything */
function readTail(line: Buffer, from: number, lineEnd: number, row: ListRow): string | undefined {
  const end = lineEnd - 1;
  if (line[end] !== CLOSE) return 'has no closing brace (cut off?)';
  let seen = 0;
  for (let at = from; at < end; ) {
    if (line[at] !== QUOTE) return 'is malformed behind its path';
    const keyStart = at + 1;
    const keyEnd = quoteAt(line, keyStart, end);
    if (keyEnd < 0 || line[keyEnd + 1] !== COLON) return 'is malformed behind its path';
    const valueStart = skipBlanks(line, keyEnd + 2) + 1;
    if (line[valueStart - 1] !== QUOTE) return 'has an unquoted value';
    const linked = isLinkedKey(line, keyStart, keyEnd);
    const valueEnd = linked ? endOfLinked(line, valueStart, end) : quoteAt(line, valueStart, end);
    if (valueEnd < 0) return 'has a value without end';
    const key = linked ? undefined : findKey(line, keyStart, keyEnd);
    if (key !== undefined) {
      if (!key.read(row, line, valueStart, valueEnd)) {
        return `has a bad ${key.bytes.toString('latin1')}: ${line.toString('latin1', valueStart, Math.min(valueEnd, valueStart + 40))}`;
      }
      seen |= key.neededBit;
    }
    at = valueEnd + 1;
    if (at < end) {
      if (line[at] !== COMMA) return 'is malformed behind its path';
      at = skipBlanks(line, at + 1);
      if (at >= end) return 'is malformed behind its path';
    }
  }
  return seen === allNeeded ? undefined : 'lacks one of size, mode, is_datafile, crc, compress_alg';
}

/** The closing quote of `linked`: the one before the next known key, else the last of the line. */
function endOfLinked(line: Buffer, start: number, end: number): number {
  let found = -1;
  for (const next of nextAfterLinked) {
    const at = lastIndexWithin(line, next, start, end);
    if (at >= 0 && (found < 0 || at < found)) found = at;
  }
  return found >= 0 ? found : line[end - 1] === QUOTE ? end - 1 : -1;
}

/** A path must stay inside its directory: relative, no empty, `.` or `..` component, no NUL. */
function judgePath(bytes: Buffer, start: number, end: number): string | undefined {
  let component = start;
  for (let at = start; at <= end; at++) {
    if (at < end && bytes[at] !== SLASH) {
      if (bytes[at] === 0) return 'has a NUL byte in its path';
      continue;
    }
    const length = at - component;
    const dots = (length === 1 || length === 2) && bytes[component] === DOT && bytes[at - 1] === DOT;
    if (length === 0 || dots)
      return `has a path that is not allowed: ${displayPath(bytes.toString('latin1', start, end))}`;
    component = at + 1;
  }
  return undefined;
}

/** Only files and directories occur; very old lists show a tablespace's link, which is served as the directory it is. */
function judgeMode(bytes: Buffer, start: number, end: number, row: ListRow): string | undefined {
  const type = row.mode & S_IFMT;
  if (type === S_IFREG) return undefined;
  if (type === S_IFDIR) {
    if (row.isDatafile || row.isCfs) return 'calls a directory a data file';
    row.size = 0;
    return undefined;
  }
  const path = bytes.toString('latin1', start, end);
  if (type === S_IFLNK && /^pg_tblspc\/\d+$/.test(path)) {
    row.mode = S_IFDIR | 0o700;
    row.size = 0;
    return undefined;
  }
  return `has a mode that is neither file nor directory: ${row.mode} (${displayPath(path)})`;
}

/** A plain loop: keys and values are so short that a call of indexOf costs more than it saves. */
function quoteAt(line: Buffer, from: number, end: number): number {
  for (let at = from; at < end; at++) if (line[at] === QUOTE) return at;
  return -1;
}

function skipBlanks(line: Buffer, from: number): number {
  let at = from;
  while (line[at] === BLANK) at++;
  return at;
}

function startsWith(bytes: Buffer, at: number, prefix: Buffer): boolean {
  return at + prefix.length <= bytes.length && prefix.compare(bytes, at, at + prefix.length) === 0;
}

/** Last occurrence of a pattern that lies wholly in [start, end), or -1. */
function lastIndexWithin(bytes: Buffer, pattern: Buffer, start: number, end: number): number {
  if (end - pattern.length < start) return -1;
  const at = bytes.subarray(start, end).lastIndexOf(pattern);
  return at < 0 ? -1 : start + at;
}

function countNewlines(bytes: Buffer, start: number, end: number): number {
  let count = 0;
  for (let at = bytes.indexOf(NEWLINE, start); at >= 0 && at < end; at = bytes.indexOf(NEWLINE, at + 1)) count++;
  return count;
}
