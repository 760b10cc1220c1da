// A catalog of a PostgreSQL and a pg_probackup built with other sizes than usual reads as they restore it.

import t from 'tap';
import { validateChain } from '../../src/backup/index.js';
import { readsAsRestored } from '../support/bundled-truth.js';

/**
 * FULL, DELTA, PAGE, PAGE of a cluster with segment files of 512 KiB and WAL pages of 4 KiB, cut down to five relations
 * that grow, shrink, stay and go by whole segment files. NOTES.md in the archive says how it was made.
 */
t.test('segment files of 64 blocks, WAL pages of 4 KiB', async (t) => {
  const { catalog, chains } = await readsAsRestored(t, 'wal4', 15);
  t.equal(chains.length, 4);
  for (const chain of chains) {
    const { problems } = await validateChain(catalog, chain, { jobs: 1, found: () => undefined });
    t.same(problems, [], 'pages have the checksums of their place in the relation, and all WAL is there');
  }
});
