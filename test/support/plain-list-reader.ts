// A content list read the plain way: all of it in memory, line after line, each by the reader of odd lines. What the quick
// readers must agree with.

import { resetRow } from '../../src/backup/content-line-keys.js';
import { type ListRow, VANISHED } from '../../src/backup/content-list.js';
import { readLine } from '../../src/backup/content-parser.js';

export interface PlainEntry {
  readonly path: string;
  readonly row: ListRow;
}

const lineStart = '{"path":"';

/** @returns the entries, or the beginning of what must be said of the list */
export function readPlainly(bytes: Buffer): PlainEntry[] | string {
  const entries: PlainEntry[] = [];
  const seen = new Set<string>();
  let line = 0;
  for (let at = 0; at < bytes.length; ) {
    line++;
    if (bytes.toString('latin1', at, at + lineStart.length) !== lineStart)
      return `line ${line} of backup_content.control does not start`;
    const end = endOfEntry(bytes, at);
    const row = {} as ListRow;
    resetRow(row);
    const stop = readLine(bytes, at, end, row);
    if (typeof stop === 'string') return `line ${line} of backup_content.control ${stop}`;
    const path = bytes.toString('latin1', at + lineStart.length, stop);
    if (row.size !== VANISHED) {
      const key = `${row.externalDir}/${path}`;
      if (seen.has(key)) return `line ${line} of backup_content.control names a file a second time`;
      seen.add(key);
      entries.push({ path, row });
    }
    line += path.split('\n').length - 1;
    at = end + 1;
  }
  return line === 0 ? 'is empty' : entries;
}

function endOfEntry(bytes: Buffer, at: number): number {
  for (let from = at; ; ) {
    const newline = bytes.indexOf('\n', from, 'latin1');
    if (newline < 0) return bytes.length;
    if (bytes[newline - 1] === 0x7d) return newline;
    if (bytes.toString('latin1', newline + 1, newline + 1 + lineStart.length) === lineStart) return newline;
    from = newline + 1;
  }
}
