// Mounts of a made-up catalog by the real program, for tests of how mounts end.

import { chmodSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isAlive, type ProcessIdentity } from '../../src/sys/process-identity.js';
import { diffOwner, lastMount, mountLog } from '../support/diff-files.js';
import { isMounted, TestMount } from '../support/mount.js';
import type { Teardown } from '../support/postgres.js';
import { writeSmallCatalog } from '../support/small-catalog.js';
import { temporaryDirectory } from '../support/swept.js';
import { until } from '../support/until.js';

const FAULTS = fileURLToPath(new URL('../support/faults.cjs', import.meta.url));

/** A mount of the small catalog whose threads can be made to fail. */
export class SmallMount extends TestMount {
  readonly base: string;
  catalog: string;
  readonly faults: string;

  constructor(base: string, diff: string) {
    const faults = join(base, 'faults');
    super(join(base, 'mount'), diff, {
      NODE_OPTIONS: `--require=${FAULTS} --max-old-space-size=200`,
      PBKFS_TEST_FAULTS: faults,
    });
    this.base = base;
    this.catalog = join(base, 'catalog');
    this.faults = faults;
  }

  /** Arguments for Node that run pbkfs. */
  readonly program = [fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))];

  first(): Promise<void> {
    return this.mount({ catalog: this.catalog, instance: 'main', backup: 'latest' });
  }

  path(name: string): string {
    return join(this.mountpoint, name);
  }

  /** Switches a fault on; see test/support/faults.cts. */
  fault(kind: string, content: string): void {
    // Whole or not at all.
    writeFileSync(join(this.faults, 'new'), content);
    renameSync(join(this.faults, 'new'), join(this.faults, kind));
  }

  heal(kind: string): void {
    rmSync(join(this.faults, kind), { force: true });
  }

  /** The process that serves the mount. */
  process(): ProcessIdentity {
    return diffOwner(this.diff);
  }

  state(): { state: string; error?: string } {
    return lastMount(this.diff);
  }

  log(): string {
    return mountLog(this.diff);
  }

  get mounted(): boolean {
    return isMounted(this.mountpoint);
  }
}

/** Mounts the small catalog. @param diffBelow a directory for the diff, instead of the one with everything else */
export async function smallMount(t: Teardown, diffBelow?: (base: string) => string): Promise<SmallMount> {
  const mount = unmounted(t, diffBelow);
  await mount.first();
  return mount;
}

/** The same, not mounted yet. */
export function unmounted(t: Teardown, diffBelow: (base: string) => string = (base) => base): SmallMount {
  const base = temporaryDirectory('pbkfs-end-');
  // Other users come to see what they may not do.
  chmodSync(base, 0o755);
  t.teardown(() => rmSync(base, { recursive: true, force: true }));
  const mount = new SmallMount(base, join(diffBelow(base), 'diff'));
  for (const directory of [mount.mountpoint, mount.faults, mount.catalog]) mkdirSync(directory);
  writeSmallCatalog(mount.catalog);
  t.teardown(() => mount.discard());
  return mount;
}

export async function ended(process: ProcessIdentity, limit = 10_000): Promise<number> {
  return until(() => !isAlive(process), limit);
}
