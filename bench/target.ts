// The backup the benchmark mounts.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { copyCatalog } from '../test/support/catalogs.js';
import type { MountTarget } from '../test/support/mount.js';
import type { Teardown } from '../test/support/postgres.js';

/** The latest backup of instance `a` of the bundled catalog: a FULL compressed by zlib and three increments. */
export async function benchTarget(t: Teardown): Promise<MountTarget> {
  const directory = mkdtempSync(join(tmpdir(), 'pbkfs-bench-catalog-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  return { catalog: await copyCatalog('mini', directory), instance: 'a', backup: 'latest' };
}
