// A catalog of a PostgreSQL and a pg_probackup built with other sizes than usual reads as they restore it.

import { join } from 'node:path';
import t from 'tap';
import { openCatalog, openChain, resolveChain, validateChain } from '../../src/backup/index.js';
import { unpack } from '../support/catalogs.js';
import { fixture } from '../support/paths.js';
import { readerTree, WholeFileReader } from '../support/reader-tree.js';
import { compareWithTruth, loadManifests } from '../support/truth.js';

/**
 * FULL, DELTA, PAGE, PAGE of a cluster with segment files of 512 KiB and WAL pages of 4 KiB, cut down to five relations
 * that grow, shrink, stay and go by whole segment files. NOTES.md in the archive says how it was made.
 */
t.test('segment files of 64 blocks, WAL pages of 4 KiB', async (t) => {
  const root = t.testdir({});
  await unpack(fixture('wal4.tar.zst'), root);
  const directory = join(root, 'wal4');
  const catalog = openCatalog(join(directory, 'catalog'));
  const manifests = loadManifests(directory);
  t.equal(manifests.length, 4);
  for (const manifest of manifests) {
    const chain = resolveChain(catalog, manifest.instance, manifest.backupId);
    const files = new WholeFileReader();
    const result = await compareWithTruth(manifest, readerTree(openChain(chain), files));
    t.same(result.differences, [], `${manifest.name}: ${result.compared} names, ${result.hashed} contents`);
    t.ok(result.hashed >= 15, 'files were compared');
    t.same(files.problems, [], 'nothing to complain about');
    const { problems } = await validateChain(catalog, chain, { jobs: 1, found: () => undefined });
    t.same(problems, [], 'pages have the checksums of their place in the relation, and all WAL is there');
  }
});
