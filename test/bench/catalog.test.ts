// The backups that the benchmark makes are whole: what it measures is what a real backup would cost.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { writeChain } from '../../bench/catalog/chain.js';
import { databaseOf, writeLists } from '../../bench/catalog/million.js';
import { openCatalog, openChain, resolveChain, validateChain } from '../../src/backup/index.js';
import { WholeFileReader } from '../support/reader-tree.js';

t.test('a made-up chain reads as its plain files, and is free of damage', async (t) => {
  const root = t.testdir();
  for (const [alg, layers] of [
    ['none', 4],
    ['zlib', 3],
    ['pglz', 1],
  ] as const) {
    const truth = join(root, `truth-${alg}`);
    const files = [{ path: 'base/5/16384', blocks: 300 }];
    writeChain({ catalog: join(root, 'catalog'), instance: alg, alg, layers, files, truth });
    const catalog = openCatalog(join(root, 'catalog'));
    const chain = resolveChain(catalog, alg, 'latest');
    t.equal(chain.members.length, layers);
    const seen = new WholeFileReader().read(openChain(chain), 'base/5/16384');
    t.ok(seen.equals(readFileSync(join(truth, 'base/5/16384'))), alg);
    const { problems } = await validateChain(catalog, chain, { jobs: 1, found: () => {} });
    // It has no WAL, and a server would not start on it.
    t.strictSame(
      problems.filter(({ kind }) => kind !== 'wal'),
      [],
      `${alg}: no damage`,
    );
  }
});

t.test('lists of many files are read', async (t) => {
  const root = t.testdir();
  const target = writeLists({ catalog: join(root, 'catalog'), instance: 'main', files: 20_001, backups: 3 });
  const reader = openChain(resolveChain(openCatalog(target.catalog), 'main', 'latest'));
  for (const path of [`base/${databaseOf(0)}/20000`, `base/${databaseOf(20_000)}/20000`]) {
    t.match(reader.resolve(path), { kind: 'datafile' }, path);
  }
  t.throws(() => reader.resolve(`base/${databaseOf(20_000)}/20001`), 'no further file');
});
