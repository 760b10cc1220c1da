// Mounting a chain of very many files: time, memory, and what PostgreSQL does with all files when it starts.

import { closeSync, ftruncateSync, mkdirSync, openSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { TestMount } from '../../test/support/mount.js';
import { runOk } from '../../test/support/run.js';
import { databaseOf, writeLists } from '../catalog/million.js';
import type { Row } from '../report/results.js';
import type { BenchCase, Context } from '../run/context.js';
import { cpuSeconds, residentBytes } from '../run/cpu.js';
import { interleave } from '../run/rounds.js';
import { mounted, NATIVE, PBKFS } from '../run/sides.js';
import { makeBackup } from './stage-files.js';

const WALK = fileURLToPath(new URL('../programs/walk.js', import.meta.url));
const FIRST = 'first mount';
const AGAIN = 'mounted again';
/** A mount of a million files takes long enough to be measured twice only. */
const ROUNDS = 2;
/** ms until lists count as settled. */
const SETTLED = 2500;

export const mount: BenchCase = {
  name: 'mount',
  title: 'Mounting a million files',
  method:
    'A made-up chain of 8 backups with 1 000 000 files each (quick: 100 000), content lists of some 200 to 300 MB, in the page cache. The time is that of the command `pbkfs mount`. "first mount" has a new diff and an empty cache directory, "mounted again" is the same diff after an unmount. Memory is the resident memory of the mount process above that of a mount of a dozen files, for each file. The walk is what PostgreSQL does at its start after a crash: it opens every file, then opens and fsyncs every file; over 20 000 of them (quick: 5000), against as many sparse files on ext4.',
  run: async (context: Context): Promise<Row[]> => {
    const files = context.size(1_000_000, 100_000);
    const walked = context.size(20_000, 5000);
    context.progress.say(`writing the lists of ${files} files`);
    const target = writeLists({ catalog: context.stage.make('catalog'), instance: 'main', files, backups: 8 });
    await warm(target.catalog);
    // No digest is made of lists that have only just been written.
    await sleep(SETTLED);
    const env = { XDG_CACHE_HOME: context.stage.make('cache') };
    const emptyMount = await mounted(context.stage, makeBackup(context, { mib: 1 }).target);
    const idle = residentBytes(emptyMount.owner()!.pid);
    const rounds = Math.min(context.options.rounds, ROUNDS);
    const bytes: number[] = [];
    const first: number[] = [];
    const again: number[] = [];
    const cpu: number[] = [];
    let last: TestMount | undefined;
    for (let round = 0; round < rounds; round++) {
      await last?.unmount();
      await rm(env.XDG_CACHE_HOME, { recursive: true, force: true });
      mkdirSync(env.XDG_CACHE_HOME);
      context.progress.say(FIRST);
      const { seconds, result } = await timed(() => mounted(context.stage, target, env));
      last = result;
      first.push(seconds);
      const { pid } = last.owner()!;
      bytes.push(digits((residentBytes(pid) - idle) / files));
      cpu.push(cpuSeconds(pid));
      await last.unmount();
      context.progress.say(AGAIN);
      again.push((await timed(() => result.remount())).seconds);
    }
    const walk = await walkRow(context, last!.mountpoint, files, walked, rounds);
    const single = (id: string, what: string, unit: string, side: string, samples: number[], atMost: number): Row => ({
      id: `mount/${id}`,
      what,
      unit,
      sides: [{ side, samples }],
      targets: [{ side, value: true, atMost }],
    });
    return [
      {
        ...single('first', 'mount', 's', FIRST, first, 10),
        sides: [{ side: FIRST, samples: first, cpuSeconds: cpu }],
      },
      single('again', 'mount', 's', AGAIN, again, 1),
      single('memory', 'memory a file', 'bytes', PBKFS, bytes, 300),
      walk,
    ];
  },
};

async function walkRow(
  context: Context,
  mountpoint: string,
  files: number,
  walked: number,
  rounds: number,
): Promise<Row> {
  const native = context.stage.make('native');
  context.progress.say(`making ${walked} files`);
  for (let file = 0; file < Math.min(files, walked); file++) {
    const directory = join(native, String(databaseOf(file)));
    if (file === 0 || databaseOf(file) !== databaseOf(file - 1)) mkdirSync(directory);
    const fd = openSync(join(directory, String(file)), 'w');
    ftruncateSync(fd, 8192);
    closeSync(fd);
  }
  await runOk('sync', []);
  const measure = async (directory: string) => {
    const out = await runOk(process.execPath, [WALK, directory, String(walked)], { timeout: 600_000 });
    return { value: (JSON.parse(out) as { seconds: number }).seconds };
  };
  const sides = await interleave(
    [
      { side: NATIVE, measure: () => measure(native) },
      { side: PBKFS, measure: () => measure(join(mountpoint, 'base')) },
    ],
    { rounds, tick: (side) => context.progress.say(`walk: ${side}`) },
  );
  return {
    id: 'mount/walk',
    what: `walk over ${walked} files`,
    unit: 's',
    sides,
    targets: [{ against: NATIVE, atMost: 2 }],
  };
}

/** Reads all files below a directory. */
async function warm(directory: string): Promise<void> {
  await runOk('sh', ['-c', `find '${directory}' -type f -exec cat {} + > /dev/null`], { timeout: 600_000 });
}

async function timed<T>(act: () => Promise<T>): Promise<{ seconds: number; result: T }> {
  const begun = performance.now();
  const result = await act();
  return { seconds: digits((performance.now() - begun) / 1000), result };
}

function digits(value: number): number {
  return Number(value.toPrecision(4));
}
