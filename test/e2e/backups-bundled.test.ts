// Every backup of the bundled catalogs, mounted, compared, started.

import t from 'tap';
import { testCatalog } from './backups.js';

t.setTimeout(900_000);

for (const name of ['mini', 'pagehole', 'states', 'merging', 'tli', 'ptrack'] as const) await testCatalog(t, name);
