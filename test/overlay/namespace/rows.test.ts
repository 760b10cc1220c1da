// More inodes than the table of files has rows: told with what to do about it, nothing half made, and it passes.

import t from 'tap';
import { failureLog } from '../../../src/fs/failure-log.js';
import type { LogFields, Logger } from '../../../src/log.js';
import type { Inode } from '../../../src/overlay/namespace/inode.js';
import { double, word } from '../../../src/overlay/shared/row-layout.js';
import { DirectOverlay } from '../../support/direct-overlay.js';
import { matchWhole } from '../../support/match-whole.js';
import { scratchDirectory, smallFiles, writeSmallCatalog } from '../../support/small-catalog.js';

const root = scratchDirectory();
const catalog = writeSmallCatalog(`${root}/catalog`);

t.test('the kernel holds as many inodes as there are', async (t) => {
  const direct = new DirectOverlay({ catalog, diff: `${root}/diff` });
  direct.keepInodes = true;
  let made = 0;
  let refused: unknown;
  while (refused === undefined && made < 5000) {
    try {
      direct.create(`pg_wal/many${made}`).close();
      direct.stat(`pg_wal/many${made}`);
      made++;
    } catch (error) {
      refused = error;
    }
  }
  t.ok(made > 4000 && made < 4096, `${made} files`);
  const wanted = { code: 'internal', message: 'the kernel holds all 4096 inodes that this mount has' };
  t.match(refused, { ...wanted, hint: /drop_caches makes it forget/ });
  t.throws(() => direct.mkdir('base/9'), wanted);
  t.throws(() => direct.symlink('target', 'link'), wanted);
  t.throws(() => direct.stat('base/1/100'), wanted, 'one that the kernel does not hold yet');
  const said: [string, LogFields | undefined][] = [];
  const log = { error: (message: string, fields?: LogFields) => void said.push([message, fields]) };
  failureLog(log as Logger)('LOOKUP', refused);
  matchWhole(t, said, [[/^LOOKUP: the kernel holds all/, { hint: /drop_caches/ }]], 'the log has the hint');

  direct.dropCaches();
  for (const name of [`pg_wal/many${made}`, 'base/9', 'link'])
    t.notOk(direct.exists(name), `no ${name} is left behind`);
  t.ok(direct.readAll('base/1/100').equals(smallFiles.get('base/1/100')!));
  direct.create(`pg_wal/many${made}`).close();
  t.ok(direct.exists(`pg_wal/many${made - 1}`));
  direct.close();
});

t.test('a changed file does not keep directories that the kernel has forgotten', async (t) => {
  const direct = new DirectOverlay({ catalog, diff: `${root}/kept` });
  direct.chown('base/1/100', 70, 70);
  const { namespace } = direct.overlay;
  const below = (directory: Inode, name: string): Inode => namespace.lookup(directory, name)!;
  const directory = below(below(namespace.root, 'base'), '1');
  t.equal(below(directory, '100').parent, null);
  t.equal(directory.parent, below(namespace.root, 'base'), 'for its ".."');
  direct.close();
});

t.test('a row that is used again knows nothing of the file it had', async (t) => {
  const direct = new DirectOverlay({ catalog, diff: `${root}/again` });
  const { namespace } = direct.overlay;
  const { table } = direct.shared;
  const directory = namespace.lookup(namespace.lookup(namespace.root, 'base')!, '1')!;
  const known = ['raw', 'small'].map((name) => namespace.lookup(directory, name)!);
  const [words, doubles] = [
    [word.baseChecks, word.indexState, word.unflushed, word.flags],
    [double.diffState, double.indexOffset, double.objectMtime],
  ];
  const rows = new Set<number>();
  for (const inode of known) {
    namespace.reference(inode);
    const { row } = inode;
    rows.add(row);
    t.ok(
      words.every((field) => table.get(row, field) === 0) &&
        doubles.every((field) => table.getDouble(row, field) === 0),
    );
    for (const field of [word.baseChecks, word.unflushed]) table.set(row, field, 3);
    for (const field of doubles) table.setDouble(row, field, 4096);
    namespace.forget(inode, 1);
  }
  t.equal(rows.size, 1);
  direct.close();
});
