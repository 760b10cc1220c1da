// A slow disk, a slow fsync, few descriptors: what is slow for one caller must not be slow for the others.

import { spawn } from 'node:child_process';
import { cpSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { startTime, writeCatalog } from '../support/catalog-writer.js';
import { mountMissing } from '../support/mount.js';
import { makePage } from '../support/pages.js';
import { run, runOk } from '../support/run.js';
import { smallFiles } from '../support/small-catalog.js';
import { until } from '../support/until.js';
import { type SmallMount, smallMount, unmounted } from './small-mount.js';

t.setTimeout(600_000);

const FILES = 48;
const name = (n: number): string => `base/1/${1000 + n}`;
const page = (n: number, block: number): Buffer => makePage(n * 10 + block, block, { filled: true });
const content = (n: number): Buffer => Buffer.concat([0, 1, 2].map((block) => page(n, block)));

/** A mount of a FULL with many small relations. */
function manyFiles(t: Parameters<typeof unmounted>[0]): SmallMount {
  const mount = unmounted(t);
  const catalog = join(mount.base, 'many');
  const directories = ['base', 'base/1', 'global'].map((path) => ({ path, dir: true as const }));
  const control = { path: 'global/pg_control', content: Buffer.alloc(8192, 1) };
  const relations = Array.from({ length: FILES }, (_, n) => ({
    path: name(n),
    pages: [0, 1, 2].map((block) => [block, page(n, block)] as const),
  }));
  writeCatalog(catalog, [{ start: startTime(1), mode: 'FULL', files: [...directories, control, ...relations] }]);
  return Object.assign(mount, { catalog });
}

/** Milliseconds of each of many calls of stat for names that nobody has asked for yet: other files of the backup, then absent ones. */
async function lookups(mount: SmallMount, during: Promise<unknown>, others: string[] = []): Promise<number[]> {
  const times: number[] = [];
  const round = performance.now();
  let over = false;
  void during.finally(() => {
    over = true;
  });
  for (let i = 0; !over; i++) {
    const path = mount.path(others.pop() ?? `base/1/absent${round}-${i}`);
    const begun = performance.now();
    statSync(path, { throwIfNoEntry: false });
    times.push(performance.now() - begun);
    await sleep(1);
  }
  return times.sort((a, b) => a - b);
}

function median(sorted: readonly number[]): number {
  return sorted[Math.floor(sorted.length / 2)]!;
}

function percentile99(sorted: readonly number[]): number {
  return sorted[Math.floor(sorted.length * 0.99)]!;
}

/** Reads each block of the named files past the page cache, all files at once. Prints what a read took at most, in ms. */
const COLD_READERS = `
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
let longest = 0;
await Promise.all(process.argv.slice(1).map(async (path) => {
  const file = await open(path, constants.O_RDONLY | constants.O_DIRECT);
  const buffer = Buffer.alloc(8192);
  for (let i = 0; i < 24; i++) {
    const begun = performance.now();
    const { bytesRead } = await file.read(buffer, 0, 8192, (i % 3) * 8192);
    if (bytesRead !== 8192) throw new Error(path + ': ' + bytesRead);
    longest = Math.max(longest, performance.now() - begun);
  }
  await file.close();
}));
console.log(longest.toFixed(0));
`;

t.test(
  '16 cold readers on a disk that takes 50 ms leave stat of other files fast',
  { skip: mountMissing },
  async (t) => {
    const mount = manyFiles(t);
    await mount.first();
    // The first answer comes when the data threads have started.
    statSync(mount.path('base/1/absent'), { throwIfNoEntry: false });
    const usual = await lookups(mount, sleep(1000));
    mount.fault('slow-read', mount.catalog);
    const readers = Array.from({ length: 16 }, (_, n) => mount.path(name(n)));
    const others = Array.from({ length: FILES - 16 }, (_, n) => name(16 + n));
    const wave = async (): Promise<number[]> => {
      const program = ['--input-type=module', '-e', COLD_READERS, ...readers];
      const environment = { ...process.env, NODE_OPTIONS: '', UV_THREADPOOL_SIZE: '16' };
      const reading = run(process.execPath, program, { env: environment });
      const times = await lookups(mount, reading, others.splice(0, 8));
      const { status, stdout, stderr } = await reading;
      t.equal(status, 0, stderr);
      t.ok(Number(stdout) >= 50, `the slowest read took ${stdout.trim()} ms`);
      return times;
    };
    const text = (sorted: number[]): string =>
      `median ${median(sorted).toFixed(2)} ms, 99 % under ${percentile99(sorted).toFixed(1)} ms, worst ${sorted.at(-1)!.toFixed(1)} ms`;
    // The first readers find four data threads, and wait until there are enough of them; stat does not. What else this
    // machine does only ever adds to the times: the best of a few waves tells most of the mount.
    const waves = [await wave()];
    const best = (): number[] => waves.toSorted((a, b) => percentile99(a) - percentile99(b))[0]!;
    while (waves.length < 3 && percentile99(best()) >= 5) waves.push(await wave());
    t.comment(
      `measured: stat while idle: ${text(usual)}; beside 16 cold readers, the first of which find four threads: ` +
        waves.map(text).join('; again: '),
    );
    // On a machine that is ours 99 % are under 5 ms; on one that is busy with other things the median is a multiple of what
    // stat takes there anyway, or at least not the 50 ms of waiting behind a reader. test/fs/handover-model.test.ts shows
    // for every interleaving that one thread goes on reading.
    t.ok(median(best()) < Math.max(45, 5 * median(usual)), text(best()));
    mount.heal('slow-read');
    await mount.unmount();
  },
);

t.test('a catalog that hangs holds up nobody but who reads it', { skip: mountMissing }, async (t) => {
  const below = await smallMount(t);
  const mount = Object.assign(unmounted(t), { catalog: below.path('catalog') });
  cpSync(below.catalog, mount.catalog, { recursive: true });
  await below.unmount();
  // The kernel knows nothing of its files.
  await below.remount();
  await mount.first();
  const { pid } = below.process();
  process.kill(pid, 'SIGSTOP');
  // In any case: a process that waits for a stopped one waits for ever.
  const waking = spawn('sh', ['-c', `sleep 6; kill -CONT ${pid}`]);
  const reading = readFile(mount.path('base/1/100'));
  await sleep(300);
  const begun = performance.now();
  await writeFile(mount.path('base/1/other'), 'other');
  const took = performance.now() - begun;
  process.kill(pid, 'SIGCONT');
  waking.kill();
  t.ok(took < 3000, `a file is made in ${took.toFixed(0)} ms`);
  t.ok((await reading).equals(smallFiles.get('base/1/100')!), 'and the reader gets its bytes');
  await mount.unmount();
  await below.unmount();
});

t.test('a file whose fsync takes 2 s does not hold up the others (trap 27)', { skip: mountMissing }, async (t) => {
  const mount = manyFiles(t);
  await mount.first();
  // The data threads behind the first one come up while the mount is in use already; one may be about to answer this.
  const idle = (): boolean =>
    /^pbkfs_data_threads_idle\{.*\} [3-9]/m.test(readFileSync(mount.path('.pbkfs/metrics'), 'latin1'));
  await until(idle, 30_000);
  const slow = await open(mount.path('base/1/slow'), 'w+');
  await slow.write('slow');
  const [object] = readdirSync(join(mount.diff, 'objects'));
  mount.fault('slow-sync', join(mount.diff, 'objects', object!));
  const begun = performance.now();
  const syncing = slow.sync().then(() => performance.now() - begun);
  const relations = Array.from({ length: FILES }, (_, n) => name(n));
  const stats = lookups(mount, syncing, relations);
  const others: number[] = [];
  for (let n = 0; n < 5; n++) {
    const from = performance.now();
    const other = await open(mount.path(`base/1/other${n}`), 'w+');
    await other.write('other');
    await other.sync();
    await other.close();
    others.push(performance.now() - from);
  }
  t.ok(median(others.toSorted((a, b) => a - b)) < 1500, `the others took ${others.map((ms) => ms.toFixed(0))} ms`);
  const slowest = await syncing;
  const times = await stats;
  t.ok(times.length > 10, `${times.length} calls of stat meanwhile`);
  t.ok(times.at(-1)! < 1000, `stat took at most ${times.at(-1)!.toFixed(0)} ms`);
  t.ok(slowest >= 2000, 'and the slow one was slow');
  t.comment(
    `measured: fsync of the slow file ${slowest.toFixed(0)} ms; meanwhile create, write, fsync and close of another ` +
      `file took at most ${Math.max(...others).toFixed(0)} ms`,
  );
  await slow.close();
  mount.heal('slow-sync');
  await mount.unmount();
});

t.test(
  'more files than descriptors: nobody gets the bytes of another file (trap 26)',
  { skip: mountMissing },
  async (t) => {
    const mount = manyFiles(t);
    const [pbkfs] = mount.program;
    const options = [
      'mount',
      '-B',
      mount.catalog,
      '-I',
      'main',
      '-i',
      'latest',
      '-D',
      mount.mountpoint,
      '-d',
      mount.diff,
    ];
    await runOk('sh', ['-c', 'ulimit -n 256; exec "$@"', 'sh', process.execPath, pbkfs!, ...options]);
    const pid = mount.process().pid;
    t.match(readFileSync(`/proc/${pid}/limits`, 'latin1'), /Max open files\s+256/);
    const check = async (n: number, expected: (n: number) => Buffer): Promise<boolean> =>
      (await readFile(mount.path(name(n)))).equals(expected(n));
    const all = Array.from({ length: FILES }, (_, n) => n);
    const changed = (n: number): Buffer =>
      Buffer.concat([content(n).subarray(0, 8192), Buffer.alloc(8192, n), content(n).subarray(16384)]);
    t.strictSame(
      await Promise.all(all.map((n) => check(n, content))),
      all.map(() => true),
    );
    for (const n of all) writeFileSync(mount.path(`base/1/new${n}`), `new ${n}`);
    await Promise.all(
      all.map(async (n) => {
        const file = await open(mount.path(name(n)), 'r+');
        await file.write(Buffer.alloc(8192, n), 0, 8192, 8192);
        await file.sync();
        await file.close();
      }),
    );
    t.strictSame(
      await Promise.all(all.map((n) => check(n, changed))),
      all.map(() => true),
    );
    await mount.unmount();
    await mount.remount();
    t.strictSame(
      await Promise.all(all.map((n) => check(n, changed))),
      all.map(() => true),
    );
    for (const n of all) if (readFileSync(mount.path(`base/1/new${n}`), 'utf8') !== `new ${n}`) t.fail(`new${n}`);
    await mount.unmount();
  },
);

t.test('readers share the device where it cannot be opened again', { skip: mountMissing }, async (t) => {
  const mount = manyFiles(t);
  mount.fault('one-device', '');
  await mount.first();
  const readers = Array.from({ length: 8 }, (_, n) => readFile(mount.path(name(n))));
  for (const [n, bytes] of (await Promise.all(readers)).entries()) t.ok(bytes.equals(content(n)), name(n));
  await mount.unmount();
  t.match(mount.log(), /readers share a device/);
  t.equal(mount.state().state, 'clean');
});
