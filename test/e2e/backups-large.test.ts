// Every backup of the catalogs that are too large to be bundled: skipped where they do not lie beside the repository.

import t from 'tap';
import { testCatalog } from './backups.js';

t.setTimeout(900_000);

for (const name of ['nocomp', 'mixed', 'seg2'] as const) await testCatalog(t, name);
