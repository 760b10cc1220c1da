// The quick way through a content list agrees with the plain one, whatever the list and wherever it is cut into pieces.

import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import t from 'tap';
import type { ListRow } from '../../../src/backup/content-list.js';
import { scanContentList } from '../../../src/backup/content-parser.js';
import { KeyTable } from '../../../src/backup/lists/key-table.js';
import { ListInput } from '../../../src/backup/lists/list-input.js';
import { PATH_OFFSET, UsualLine } from '../../../src/backup/lists/usual-line.js';
import { hostileList, listLine } from '../../support/list-text.js';
import { type PlainEntry, readPlainly } from '../../support/plain-list-reader.js';

function scan(input: ListInput): PlainEntry[] | string {
  const entries: PlainEntry[] = [];
  const seen = new KeyTable();
  try {
    scanContentList(input, 'ID', (bytes, start, end, row) => {
      entries.push({ path: bytes.toString('latin1', start, end), row: { ...row } });
      const key = seen.count;
      return seen.add(bytes, start, end, row.externalDir) === key;
    });
    return entries;
  } catch (error) {
    return (error as Error).message;
  }
}

function agree(found: PlainEntry[] | string, plain: PlainEntry[] | string): boolean {
  if (typeof plain === 'string') return typeof found === 'string' && found.includes(plain);
  return isDeepStrictEqual(found, plain);
}

t.test('any list, in memory', (t) => {
  let sound = 0;
  fc.assert(
    fc.property(hostileList, (bytes) => {
      const plain = readPlainly(bytes);
      if (typeof plain !== 'string') sound++;
      return agree(scan(ListInput.of(bytes)), plain);
    }),
    { numRuns: 3000 },
  );
  t.ok(sound > 100, `${sound} of the lists were sound`);
  t.end();
});

t.test('any list, in pieces', (t) => {
  const file = join(t.testdir(), 'list');
  fc.assert(
    fc.property(hostileList, fc.integer({ min: 1, max: 300 }), (bytes, piece) => {
      writeFileSync(file, bytes);
      const fd = openSync(file, 'r');
      try {
        return agree(scan(ListInput.from(fd, undefined, piece)), readPlainly(bytes));
      } finally {
        closeSync(fd);
      }
    }),
    { numRuns: 1500 },
  );
  t.end();
});

t.test('the lines that pg_probackup writes take the short way', async (t) => {
  const header =
    ',"full_size":"8192","segno":"1","n_blocks":"1","n_headers":"1","hdr_crc":"4294967295","hdr_off":"50","hdr_size":"50"';
  const lines = [
    listLine({ path: 'base/5/16384', alg: 'zlib', tail: header }),
    listLine({ path: 'base/5/16385.1', size: -1, crc: 0, tail: ',"segno":"1","n_blocks":"131072"' }),
    listLine({ path: 'base/5', size: 4096, mode: 0o40700, isDatafile: false }),
    listLine({ path: 'pg_wal/000000010000000000000001', isDatafile: false, externalDir: 2 }),
  ];
  for (const line of lines) {
    const bytes = Buffer.from(line, 'latin1');
    const usual = new UsualLine();
    const row = {} as ListRow;
    t.equal(usual.read(bytes, 0, bytes.length, row), bytes.length, line);
    const [entry] = readPlainly(bytes) as PlainEntry[];
    t.same(row, entry!.row);
    t.equal(bytes.toString('latin1', PATH_OFFSET, usual.pathEnd), entry!.path);
    for (let end = 0; end < bytes.length; end++)
      t.equal(usual.read(bytes, 0, end, row), -1, 'not before all of it is there');
  }
});
