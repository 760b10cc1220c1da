// A mount that PostgreSQL's user made, without root.

import { chmodSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { canReach } from '../../src/postgres/reachable.js';
import { type MountTarget, TestMount } from '../../test/support/mount.js';
import { postgres15 } from '../../test/support/postgres.js';
import { run } from '../../test/support/run.js';
import { serverDirectory } from './cluster.js';
import { said } from './machine.js';
import { type Side, sideOf } from './sides.js';
import type { Stage } from './stage.js';

export const USER_MOUNT = 'pbkfs without root';

const CLI = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const DEVICE = '/dev/fuse';

/** The side, or why there is none. /dev/fuse is open to everybody meanwhile. */
export async function userMount(stage: Stage, target: MountTarget): Promise<Side | { missing: string }> {
  const { user } = postgres15();
  if (said('fusermount3', ['--version']) === undefined) {
    return { missing: 'fusermount3 is not installed (Debian: apt-get install fuse3)' };
  }
  if (!canReach(CLI, user)) return { missing: `${user.name} cannot reach ${CLI}` };
  const mode = statSync(DEVICE).mode & 0o7777;
  chmodSync(DEVICE, 0o666);
  stage.teardown(() => chmodSync(DEVICE, mode));
  const mount = new TestMount(
    serverDirectory(stage, 'user-mount'),
    join(serverDirectory(stage, 'user-diff'), 'diff'),
    {},
  );
  stage.teardown(() => mount.discard());
  const { catalog, instance, backup } = target;
  const where = ['-B', catalog, '-I', instance, '-i', backup, '-D', mount.mountpoint, '-d', mount.diff];
  const { status, stderr } = await run(process.execPath, [CLI, 'mount', ...where], { user, timeout: 120_000 });
  return status === 0 ? { name: USER_MOUNT, ...sideOf(mount) } : { missing: stderr.trim() };
}
