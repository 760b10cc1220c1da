// What is kept of a chain's lists is what they say, whichever thread has read them.

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import t from 'tap';
import type { ListEntry, ListRow } from '../../../src/backup/content-list.js';
import { ContentList } from '../../../src/backup/content-list.js';
import { parseContentList } from '../../../src/backup/content-parser.js';
import { crc32c } from '../../../src/backup/crc.js';
import { readChainLists } from '../../../src/backup/lists/chain-lists.js';
import { ListThreads } from '../../../src/backup/lists/list-threads.js';
import { PackedList, PackedListWriter } from '../../../src/backup/lists/packed-list.js';
import { PathTable } from '../../../src/backup/lists/path-table.js';
import { readOlderList } from '../../../src/backup/lists/read-list.js';
import type { BackupInfo, Chain } from '../../../src/backup/types.js';
import { hostileList, listLine, soundLines } from '../../support/list-text.js';

function chainOf(directory: string, lists: readonly Buffer[]): Chain {
  const members = lists.map((bytes, n) => {
    const own = join(directory, `B${n}`);
    mkdirSync(own, { recursive: true });
    writeFileSync(join(own, 'backup_content.control'), bytes);
    return { id: `B${n}`, directory: own, contentCrc: crc32c(bytes) } as BackupInfo;
  });
  return { instance: 'main', target: members.at(-1)!, members, passedOver: [] };
}

/** What the whole list says of a path. */
function wanted(list: ContentList, path: string): ListEntry | undefined {
  const row = list.find(path);
  return row < 0 ? undefined : list.entry(row);
}

t.test('each layer says of the target’s files what its list says', (t) => {
  const directory = t.testdir();
  const lists = fc
    .array(soundLines, { minLength: 1, maxLength: 4 })
    .filter((all) => all.every((lines) => lines.length > 0));
  fc.assert(
    fc.property(lists, (all) => {
      const texts = all.map((lines) => Buffer.from(lines.join(''), 'latin1'));
      const plain = texts.map((bytes) => parseContentList(bytes, 'ID'));
      const { lists } = readChainLists(chainOf(directory, texts));
      const { paths } = lists;
      const target = plain.at(-1)!;
      let listed = 0;
      for (let row = 0; row < target.count; row++) {
        if (target.externalDir(row) !== 0) continue;
        listed++;
        const file = paths.number(target.path(row));
        if (file < 0 || paths.path(file) !== target.path(row) || lists.modes[file] !== target.mode[row]) return false;
        for (const [layer, list] of plain.entries()) {
          const entry = lists.lists[layer]!.entry(file);
          if (!isDeepStrictEqual(entry, wanted(list, target.path(row)))) return false;
          if (lists.lists[layer]!.has(file) !== (entry !== undefined)) return false;
          if (lists.lists[layer]!.isDatafile(file) !== (entry?.isDatafile ?? false)) return false;
          if (lists.lists[layer]!.isUnchanged(file) !== (entry?.size === -1)) return false;
        }
      }
      let shown = 0;
      for (let file = 0; file < paths.count; file++) if (lists.target.has(file)) shown++;
      return shown === listed;
    }),
    { numRuns: 300 },
  );
  t.end();
});

t.test('a damaged list anywhere is refused as the oldest of them is', (t) => {
  const directory = t.testdir();
  const outcome = (read: () => unknown): string => {
    try {
      read();
      return 'fine';
    } catch (error) {
      return (error as Error).message;
    }
  };
  fc.assert(
    fc.property(fc.array(hostileList, { minLength: 1, maxLength: 4 }), (all) => {
      const found = outcome(() => readChainLists(chainOf(directory, all)));
      const each = all.map((bytes, n) => outcome(() => parseContentList(bytes, `B${n}`)));
      return found === (each.find((message) => message !== 'fine') ?? 'fine');
    }),
    { numRuns: 500 },
  );
  t.end();
});

t.test('any row comes back from its record', (t) => {
  const row: fc.Arbitrary<ListRow> = fc.record({
    size: fc.oneof(fc.integer({ min: -1, max: 300 }), fc.maxSafeNat()),
    mode: fc.constantFrom(0o100600, 0o40700),
    isDatafile: fc.boolean(),
    isCfs: fc.boolean(),
    crc: fc.nat(0xffffffff),
    alg: fc.constantFrom(0, 1, 2, 3, 4, 255),
    externalDir: fc.constant(0),
    segno: fc.integer({ min: -1, max: 0x7fffffff }),
    nBlocks: fc.oneof(fc.constant(-1), fc.integer({ min: 1, max: 0x7fffffff })),
    nHeaders: fc.nat(0x7fffffff),
    headerCrc: fc.nat(0xffffffff),
    headerOff: fc.oneof(fc.integer({ min: -300, max: 300 }), fc.maxSafeInteger()),
    headerSize: fc.integer({ min: -0x7fffffff, max: 0x7fffffff }),
  });
  // The parser lets no directory be a data file.
  const sane = row.map((any) => (any.mode === 0o40700 ? { ...any, isDatafile: false, isCfs: false } : any));
  fc.assert(
    fc.property(fc.array(sane, { minLength: 1, maxLength: 50 }), (rows) => {
      const plain = new ContentList(rows.length);
      const writer = new PackedListWriter(1, 0);
      for (const [n, each] of rows.entries()) {
        plain.append(Buffer.from(`f${n}`), 0, `f${n}`.length, each);
        writer.add(n, each);
      }
      const packed = new PackedList(writer.data(rows.length));
      return rows.every((_, n) => isDeepStrictEqual(packed.entry(n), plain.entry(n)));
    }),
    { numRuns: 500 },
  );
  t.end();
});

t.test('helpers read what they would be read as without them', async (t) => {
  const lines = (layer: number): string =>
    Array.from({ length: 3000 }, (_, n) =>
      listLine({ path: `base/${n % 7}/${n}`, size: (n + layer) % 5 === 0 ? -1 : n + layer }),
    ).join('');
  const texts = [0, 1, 2, 3, 4].map((layer) => Buffer.from(lines(layer)));
  const chain = chainOf(t.testdir(), texts);
  const { lists } = readChainLists(chain);
  const older = chain.members.slice(0, -1);
  const shared = lists.data.paths;
  const paths = PathTable.from(shared);
  const plain = older.map((backup) => readOlderList(backup, paths));
  t.same(ListThreads.read(older, shared, { worthAThread: 1 }), plain);

  writeFileSync(join(older[2]!.directory, 'backup_content.control'), texts[2]!.subarray(1));
  t.throws(() => ListThreads.read(older, shared, { worthAThread: 1 }), {
    code: 'backup_damaged',
    message: /^backup B2: .*CRC/,
  });
  rmSync(join(older[1]!.directory, 'backup_content.control'));
  t.throws(() => ListThreads.read(older, shared, { worthAThread: 1 }), {
    code: 'backup_damaged',
    message: /^backup B1: .*missing/,
  });
});
