// initdb on the mount makes the same files as on an ordinary directory, also again and again, and nothing else appears.

import { chownSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { mountCatalog, mountMissing } from '../support/mount.js';
import { initdb, postgres15, query, serverTempDir, start } from '../support/postgres.js';
import { listTree } from '../support/tree.js';
import { smallStream } from './targets.js';

t.setTimeout(600_000);

/** PBKFS_STORM=long makes ten in a row. */
const TIMES = process.env.PBKFS_STORM === 'long' ? 10 : 3;

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
    const directories = [join(mount.mountpoint, 'made-by-initdb'), join(serverTempDir(t), 'data')] as const;
    const make = async (directory: string): Promise<void> => {
      mkdirSync(directory, { mode: 0o700 });
      chownSync(directory, user.uid, user.gid);
      await initdb(directory);
    };
    const [onMount, onExt4] = directories;
    await make(onExt4);
    const expected = shape(onExt4);
    const seconds: string[] = [];
    for (let round = 0; round < TIMES; round++) {
      // The same names again: nothing of the files before may show through.
      rmSync(onMount, { recursive: true, force: true });
      const begun = performance.now();
      await make(onMount);
      seconds.push(((performance.now() - begun) / 1000).toFixed(1));
      t.strictSame(shape(onMount), expected, `initdb number ${round + 1}`);
    }
    t.comment(`measured: initdb ${TIMES} times in a row took ${seconds.join(', ')} s`);

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
