// Backups made by real old versions of pg_probackup read as the version that made them restores them.

import { join } from 'node:path';
import t from 'tap';
import { openCatalog, openChain, resolveChain } from '../../src/backup/index.js';
import { unpack } from '../support/catalogs.js';
import { fixture } from '../support/paths.js';
import { readerTree, WholeFileReader } from '../support/reader-tree.js';
import { compareWithTruth, loadManifests } from '../support/truth.js';

/**
 * FULL, DELTA, PAGE, PAGE by 2.2.7 without compression, cut down to five relations and what every backup has; instance
 * `merged` is the same with the first three merged by 2.2.7. A VACUUM shrank relations while the FULL and the DELTA read
 * them, and two relations have blocks that no WAL tells of. NOTES.md in the archive says how it was made.
 */
t.test('2.2.7: cut while it was read, merged with gaps', async (t) => {
  const root = t.testdir({});
  await unpack(fixture('old227.tar.zst'), root);
  const directory = join(root, 'old227');
  const catalog = openCatalog(join(directory, 'catalog'));
  const manifests = loadManifests(directory);
  t.equal(manifests.length, 6, 'four backups, two after the merge');
  for (const manifest of manifests) {
    const reader = openChain(resolveChain(catalog, manifest.instance, manifest.backupId));
    const files = new WholeFileReader();
    const result = await compareWithTruth(manifest, readerTree(reader, files));
    t.same(result.differences, [], `${manifest.name}: ${result.compared} names, ${result.hashed} contents`);
    t.ok(result.hashed >= 8, 'files were compared');
    t.same(files.problems, [], 'nothing to complain about');
  }
});
