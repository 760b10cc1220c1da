// Copies of the unpacked catalogs that cost no space.

import { mkdtempSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type CatalogName, extractCatalog } from './catalogs.js';
import type { Teardown } from './postgres.js';
import { runOk } from './run.js';
import { swept } from './swept.js';
import { listTree } from './tree.js';

/**
 * A catalog of one's own, so that lock files of other tests do not appear in it: its directories are copies, its files
 * are links to the unpacked ones (nobody may write to them). Removed at the end of the test.
 */
export async function privateCatalog(t: Teardown, name: CatalogName): Promise<{ catalog: string; truth: string }> {
  const unpacked = await extractCatalog(name);
  // Beside the unpacked catalogs: links need the same file system.
  const directory = swept(mkdtempSync(join(dirname(dirname(unpacked)), 'linked-')));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const catalog = join(directory, 'catalog');
  await runOk('cp', ['-a', '-l', join(unpacked, 'catalog'), catalog]);
  for (const path of listTree(catalog).keys()) {
    // Locks that a test running now holds on the unpacked catalog.
    if (/\/backup_ro\.pid[^/]*$/.test(path)) rmSync(join(catalog, path));
  }
  return { catalog, truth: join(unpacked, 'truth') };
}
