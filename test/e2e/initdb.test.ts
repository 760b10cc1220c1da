// initdb on the mount makes the same files as on an ordinary directory, and nothing else appears.

import { chownSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { mountCatalog, mountMissing } from '../support/mount.js';
import { initdb, postgres15, query, serverTempDir, start } from '../support/postgres.js';
import { listTree } from '../support/tree.js';
import { smallStream } from './targets.js';

t.setTimeout(300_000);

/** Path, type, mode and size: what initdb decides. */
function shape(directory: string): string[] {
  return [...listTree(directory)].map(
    ([path, { type, mode, size, target }]) => `${path} ${type} ${mode.toString(8)} ${size} ${target ?? ''}`,
  );
}

t.test(
  'same list of files and sizes as on ext4, side files of the diff stay hidden (trap 24)',
  { skip: mountMissing },
  async (t) => {
    const { user } = postgres15();
    const mount = await mountCatalog(t, await smallStream(t));
    const directories = [join(mount.mountpoint, 'made-by-initdb'), join(serverTempDir(t), 'data')];
    for (const directory of directories) {
      mkdirSync(directory, { mode: 0o700 });
      chownSync(directory, user.uid, user.gid);
      await initdb(directory);
    }
    const [onMount, onExt4] = directories;
    t.strictSame(shape(onMount), shape(onExt4));

    const server = await start(t, onMount);
    await query(server, 'create table t as select generate_series(1, 1000) as n');
    await server.stop();
    await mount.unmount();
    await mount.remount();
    const again = await start(t, onMount);
    t.equal(await query(again, 'select sum(n) from t'), '500500', 'it starts, and again after a remount');
    await again.stop();
  },
);
