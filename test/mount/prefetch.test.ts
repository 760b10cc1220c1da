// Reading ahead (--prefetch hot): a slow store answers sooner, the diff does not grow, and nobody waits for the end of it.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { type Part, wantHotFiles } from '../../src/mount/prefetch/hot-files.js';
import { filenodeMap, hotFilenodes } from '../../src/mount/prefetch/relation-places.js';
import { smallStream } from '../e2e/targets.js';
import { lastMount, mountLog } from '../support/diff-files.js';
import { isMounted, type MountTarget, mountCatalog, mountMissing, type TestMount } from '../support/mount.js';
import { query, start } from '../support/postgres.js';
import { until } from '../support/until.js';
import { unmounted } from './small-mount.js';

const PATIENCE = 180_000;
const HOT = ['--prefetch', 'hot'];

/** The environment of a mount whose every read of the catalog takes so long. */
function slow(t: Test, { catalog }: MountTarget, ms: number): Record<string, string> {
  const faults = unmounted(t);
  faults.fault('slow-read', `${catalog}\n${ms}`);
  return faults.env;
}

/** Waits for the end of it. */
function readAhead({ diff }: TestMount): Promise<number> {
  return until(() => / INFO read ahead /.test(mountLog(diff)), PATIENCE);
}

function reads(mount: TestMount): number {
  const { counters } = JSON.parse(readFileSync(join(mount.mountpoint, '.pbkfs/stat'), 'utf8')) as {
    counters: { read: number };
  };
  return counters.read;
}

/** Processes that read ahead on this mount. */
function readersOf({ mountpoint }: TestMount): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        return readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(`/prefetch/process.js\0${mountpoint}\0`);
      } catch {
        return false;
      }
    })
    .map(Number);
}

/** Somebody on this machine may empty the caches (benchmarks do): then once more. @throws what was bad the last time */
async function undisturbed<T>(times: number, attempt: () => Promise<{ good: T } | { bad: string }>): Promise<T> {
  const result = await attempt();
  if ('good' in result) return result.good;
  if (times === 1) throw new Error(result.bad);
  return undisturbed(times - 1, attempt);
}

/** Reads all that is hot; how many of these reads the kernel cannot answer by itself. */
function readsOfCatalogs(mount: TestMount): number {
  const before = reads(mount);
  for (const database of readdirSync(join(mount.mountpoint, 'base'))) {
    if (!/^\d+$/.test(database)) continue;
    const directory = join(mount.mountpoint, 'base', database);
    const map = filenodeMap(readFileSync(join(directory, 'pg_filenode.map')));
    const filenodes = hotFilenodes(readFileSync(join(directory, String(map.get(1259)))));
    if (map.size < 15 || filenodes.size < 70)
      throw new Error(`${map.size} and ${filenodes.size} catalogs of ${database}`);
    for (const filenode of filenodes) readFileSync(join(directory, String(filenode)));
  }
  // The look at the counters was a read itself.
  return reads(mount) - before;
}

t.test('what is hot is in the kernel’s cache, wherever it lies', { skip: mountMissing }, async (t) => {
  const target = await smallStream(t);
  const mount = await undisturbed(3, async () => {
    const mount = await mountCatalog(t, target, {}, HOT);
    await readAhead(mount);
    const reached = readsOfCatalogs(mount);
    if (reached <= 1) return { good: mount };
    await mount.unmount();
    return { bad: `${reached} reads of hot files reach pbkfs` };
  });
  t.match(
    mountLog(mount.diff),
    /read ahead files=\d{3} bytes=\d{7,8} seconds=[\d.]+\n/,
    'to its end, without an error',
  );
  const { diffBudget } = JSON.parse(readFileSync(join(mount.mountpoint, '.pbkfs/stat'), 'utf8')) as {
    diffBudget: { bytes: number };
  };
  t.equal(diffBudget.bytes, 0, 'nothing is written');
  await until(() => readersOf(mount).length === 0, PATIENCE);
  t.strictSame(readersOf(mount), [], 'and its process has ended');

  const server = await start(t, mount.mountpoint);
  await query(server, 'vacuum full pg_opclass');
  const moved = await query(server, `select pg_relation_filepath('pg_opclass')`);
  t.notMatch(moved, /\/2616$/);
  await query(server, 'checkpoint');
  const asked: string[] = [];
  await wantHotFiles([{ path: 'pg_wal/X', from: 1, to: 2 }], {
    list: (directory) => new Set(readdirSync(join(mount.mountpoint, directory))),
    want: async ({ path }: Part) => void asked.push(path),
    content: async (path: string) => {
      const file = join(mount.mountpoint, path);
      return existsSync(file) ? readFileSync(file) : Buffer.alloc(0);
    },
  });
  t.ok(asked.includes(moved), 'a catalog is found where it lies now');
  t.ok(asked.includes('pg_wal/X'));
  await server.stop();
  await mount.unmount();
});

t.test('a first query then waits for little', { skip: mountMissing }, async (t) => {
  const target = await smallStream(t);
  // Without it 159 reads, each of which may wait for a disk; what that means in seconds is for the benchmark (first-query/slow-store).
  const few = await undisturbed(3, async () => {
    const mount = await mountCatalog(t, target, {}, HOT);
    await readAhead(mount);
    const before = reads(mount);
    const server = await start(t, mount.mountpoint, { settings: { recovery_init_sync_method: 'syncfs' } });
    await query(server, 'select count(*) from information_schema.columns');
    const count = reads(mount) - before;
    await server.stop('immediate');
    await mount.unmount();
    return count < 50 ? { good: count } : { bad: `${count} reads` };
  });
  t.comment(`measured: ${few} reads`);
});

t.test('in the middle of it', { skip: mountMissing }, async (t) => {
  const target = await smallStream(t);
  const inTheMiddle = async (t: Test): Promise<TestMount> => {
    const mount = await mountCatalog(t, target, slow(t, target, 200), HOT);
    const before = reads(mount);
    await until(() => reads(mount) > before + 5, PATIENCE);
    t.equal(readersOf(mount).length, 1, 'it reads');
    return mount;
  };
  const nobody = async (t: Test, mount: TestMount): Promise<void> => {
    await until(() => readersOf(mount).length === 0, PATIENCE);
    t.strictSame(readersOf(mount), []);
    t.notMatch(mountLog(mount.diff), / read ahead /, 'it was not waited for');
  };

  await t.test('pbkfs unmount finds nobody who uses the mount', async (t) => {
    const mount = await inTheMiddle(t);
    const { status, stderr } = await mount.tryUnmount();
    t.equal(status, 0, stderr);
    t.equal(lastMount(mount.diff).state, 'clean');
    await nobody(t, mount);
  });

  await t.test('SIGTERM and kill -9 end it too', async (t) => {
    const asked = await inTheMiddle(t);
    process.kill(asked.owner()!.pid, 'SIGTERM');
    await until(() => !isMounted(asked.mountpoint) && asked.owner() === undefined, PATIENCE);
    t.equal(lastMount(asked.diff).state, 'clean');
    await nobody(t, asked);
    const killed = await inTheMiddle(t);
    await killed.kill9();
    await nobody(t, killed);
    await killed.unmountDead();
  });
});
