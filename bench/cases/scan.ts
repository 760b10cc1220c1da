// Whole datafiles from front to back: uncompressed against ext4, compressed against the decoders and pg_probackup restore.

import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { backupIdOf, type CompressAlg } from '../../src/backup/index.js';
import { startTime } from '../../test/support/catalog-writer.js';
import type { MountTarget } from '../../test/support/mount.js';
import { run, runOk } from '../../test/support/run.js';
import type { Row } from '../report/results.js';
import type { BenchCase, Context } from '../run/context.js';
import { cpus } from '../run/cpu.js';
import { fio } from '../run/fio.js';
import type { Contestant, Sample } from '../run/rounds.js';
import { buildSides, contestant, mounted, NATIVE, PBKFS } from '../run/sides.js';
import type { Stage } from '../run/stage.js';
import { dropCaches } from './cold-read.js';
import { BACKUP_FILE, type MadeBackup, makeBackup, mountBackup } from './stage-files.js';

const DECODE = fileURLToPath(new URL('../programs/decode.js', import.meta.url));
const DECODING = `${cpus} × one thread decoding`;
const RESTORE = 'pg_probackup restore';
/** What the open edition of pg_probackup can restore. */
const RESTORABLE: readonly CompressAlg[] = ['none', 'zlib', 'pglz'];

/** MiB: a whole segment where "end to end" has an opponent, so that the row is about the file and not about starting. */
function sizeOf(context: Context, alg: CompressAlg): number {
  return context.size(RESTORABLE.includes(alg) ? 1024 : 512, 64);
}

export const scan: BenchCase = {
  name: 'scan',
  title: 'Sequential scans',
  method:
    'fio reads a whole datafile of a chain of 4 from front to back in pieces of 128 KiB through the page cache, of which it first drops what belongs to the mount; the files of the catalog are in the page cache except for the row "cold". Beside the compressed scans stands what one thread reaches that decodes the same pages from memory and does nothing else, times the number of CPUs. "End to end" is the time to mount and read the whole file with dd in pieces of 128 KiB on the one side, and `pg_probackup restore -j CPUS --no-validate --no-sync` of the same backup on the other; the file has 1 GiB (lz4 and zstd, which the open edition cannot restore: 512 MiB). Mounts read 4 MiB ahead, as `--read-ahead` does by itself. The scans of compressed chains are warmed up; "end to end" is always a mount’s first.',
  run: async (context: Context): Promise<Row[]> => {
    const rows = await uncompressed(context);
    for (const alg of ['zlib', 'pglz', 'lz4', 'zstd'] as const) {
      try {
        rows.push(...(await context.stage.act((stage) => compressed(within(context, stage), alg))));
      } catch (error) {
        context.absent.push(`${alg}: ${(error as Error).message}`);
      }
    }
    return rows;
  },
};

async function uncompressed(context: Context): Promise<Row[]> {
  const backup = makeBackup(context, { mib: sizeOf(context, 'none') });
  const { target, truth, size } = backup;
  const sides = await buildSides(context.stage, { target, truth, wanted: [NATIVE, PBKFS], ...context.peers });
  const scans = (state: 'hot' | 'cold' | 'served') =>
    sides
      .filter(({ name }) => state !== 'served' || name === PBKFS)
      .map((side) => {
        const made = contestant(side, false, ({ directory }) =>
          scanOnce(directory, size, 1, state === 'served', state === 'hot' ? context.seconds : undefined),
        );
        return state === 'cold' ? { ...made, measure: () => dropCaches().then(made.measure) } : made;
      });
  const row = (state: 'hot' | 'cold' | 'served', what: string) => ({
    id: `scan/none-${state}`,
    what: `uncompressed, ${what}`,
    unit: 'MB/s',
    targets: state === 'served' ? [] : [{ against: NATIVE, atLeast: 0.8 }],
  });
  for (const { directory } of sides) await scanOnce(directory, size, 1, false);
  const hot = await context.row(row('hot', 'in the page cache'), scans('hot'));
  const served = await context.row(row('served', 'served from the page cache of the catalog'), scans('served'));
  const cold = await context.row(row('cold', 'cold'), scans('cold'));
  return [hot, served, cold, ...(await endToEnd(context, backup, 'none'))];
}

async function compressed(context: Context, alg: CompressAlg): Promise<Row[]> {
  const backup = makeBackup(context, { alg, mib: sizeOf(context, alg) });
  const { target, size } = backup;
  const side = await mountBackup(context, backup);
  const stored = join(target.catalog, 'backups', target.instance, backupIdOf(startTime(0)), 'database', BACKUP_FILE);
  const decoding: Contestant = { side: DECODING, measure: () => decode(alg, stored, context.seconds) };
  const rows: Row[] = [];
  for (const jobs of [1, cpus]) {
    const scanning = contestant(side, false, ({ directory }) => scanOnce(directory, size, jobs, true));
    const readers = jobs === 1 ? '1 reader' : `${jobs} readers`;
    const targets = jobs === 1 ? [{ against: DECODING, atLeast: 0.9 }] : [];
    rows.push(
      await context.row(
        { id: `scan/${alg}-${jobs}`, what: `${alg}, ${readers}`, unit: 'MB/s', targets },
        [scanning, decoding],
        jobs === 1 ? context.warmUp : undefined,
      ),
    );
  }
  return [...rows, ...(await endToEnd(context, backup, alg))];
}

/**
 * @param drop what the kernel has of the file, so that the server is asked
 * @param seconds over and over for so long
 */
function scanOnce(directory: string, size: number, jobs: number, drop: boolean, seconds?: number): Promise<Sample> {
  const where = { file: join(directory, BACKUP_FILE) };
  const part = size / jobs;
  const more = [`--offset_increment=${part}`];
  const load = {
    rw: 'read',
    where,
    size: part,
    jobs,
    block: 128 * 1024,
    unit: 'MB/s',
    invalidate: drop,
    more,
  } as const;
  return fio(seconds === undefined ? load : { ...load, seconds }, false);
}

async function decode(alg: CompressAlg, stored: string, seconds: number): Promise<Sample> {
  return { value: cpus * Number(await runOk(process.execPath, [DECODE, alg, stored, String(seconds)])) };
}

async function endToEnd(context: Context, { target }: MadeBackup, alg: CompressAlg): Promise<Row[]> {
  const { pgProbackup } = context.options;
  const mounting: Contestant = { side: PBKFS, measure: () => timed(() => mountAndRead(context, target)) };
  const sides = [mounting];
  if (pgProbackup === undefined)
    context.absent.push(`${alg}, end to end: pg_probackup was not given (--pg-probackup FILE)`);
  else if (!RESTORABLE.includes(alg)) context.absent.push(`${alg}: the open edition of pg_probackup cannot restore it`);
  else sides.push({ side: RESTORE, measure: () => restore(context, pgProbackup, target) });
  const targets = [{ against: RESTORE, atMost: 1 }];
  return [await context.row({ id: `scan/${alg}-end-to-end`, what: `${alg}, end to end`, unit: 's', targets }, sides)];
}

async function timed(act: () => Promise<unknown>): Promise<Sample> {
  const begun = performance.now();
  await act();
  return { value: (performance.now() - begun) / 1000 };
}

/** The mount is taken down outside of the measured time, when the stage is cleared. */
async function mountAndRead(context: Context, target: MountTarget): Promise<void> {
  const { mountpoint } = await mounted(context.stage, target);
  // Not fio: it takes a third of a second until it begins.
  await runOk('dd', [`if=${join(mountpoint, BACKUP_FILE)}`, 'of=/dev/null', 'bs=128k', 'status=none']);
}

async function restore(context: Context, program: string, { catalog, instance }: MountTarget): Promise<Sample> {
  const directory = context.stage.make('restored');
  rmSync(directory, { recursive: true });
  mkdirSync(directory, { mode: 0o700 });
  const args = ['restore', '-B', catalog, '--instance', instance, '-D', directory, '-j', String(cpus)];
  const env = process.env.LD_LIBRARY_PATH === undefined ? {} : { LD_LIBRARY_PATH: process.env.LD_LIBRARY_PATH };
  const sample = await timed(async () => {
    const { status, stderr } = await run(program, [...args, '--no-validate', '--no-sync'], { env, timeout: 300_000 });
    if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr}`);
  });
  rmSync(directory, { recursive: true });
  return sample;
}

/** The same context on a stage of its own. */
function within(context: Context, stage: Stage): Context {
  return Object.assign(Object.create(context) as Context, { stage });
}
