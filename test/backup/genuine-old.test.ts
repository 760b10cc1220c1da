// Backups made by real old versions of pg_probackup read as the version that made them restores them.

import t from 'tap';
import { readsAsRestored } from '../support/bundled-truth.js';

/**
 * FULL, DELTA, PAGE, PAGE by 2.2.7 without compression, cut down to five relations and what every backup has; instance
 * `merged` is the same with the first three merged by 2.2.7. A VACUUM shrank relations while the FULL and the DELTA read
 * them, and two relations have blocks that no WAL tells of. NOTES.md in the archive says how it was made.
 */
t.test('2.2.7: cut while it was read, merged with gaps', async (t) => {
  const { chains } = await readsAsRestored(t, 'old227', 8);
  t.equal(chains.length, 6, 'four backups, two after the merge');
});
