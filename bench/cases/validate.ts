// pbkfs validate against pg_probackup validate, thread against thread.

import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { backupIdOf } from '../../src/backup/index.js';
import { startTime } from '../../test/support/catalog-writer.js';
import type { MountTarget } from '../../test/support/mount.js';
import { run } from '../../test/support/run.js';
import { writeChain } from '../catalog/chain.js';
import type { Row } from '../report/results.js';
import type { BenchCase, Context } from '../run/context.js';
import { cpus, pinnedCommand } from '../run/cpu.js';
import type { Contestant, Sample } from '../run/rounds.js';
import { PBKFS } from '../run/sides.js';

const CLI = fileURLToPath(new URL('../../bundle/cli/pbkfs.js', import.meta.url));
const THEIRS = 'pg_probackup validate';
const LAYERS = 2;
const TARGET = backupIdOf(startTime(LAYERS - 1));
const FILES = 4;
const MIB_BLOCKS = 128;

export const validate: BenchCase = {
  name: 'validate',
  title: 'Validating a chain',
  method:
    'A made-up chain of two backups with four datafiles of 1 GiB (quick: 128 MiB) and a segment of WAL, in the page cache; `validate -j1` on one CPU and `-j2` on two of both programs. Both read every byte once and check the CRC of each file, each page (its checksum, header and LSN; decompressed first) and the WAL that the target needs; pbkfs checks the content lists and page_header_map besides.',
  run: async (context: Context): Promise<Row[]> => {
    const { pgProbackup } = context.options;
    if (pgProbackup === undefined) context.absent.push(`${THEIRS}: pg_probackup was not given (--pg-probackup FILE)`);
    const blocks = context.size(1024, 128) * MIB_BLOCKS;
    const rows: Row[] = [];
    for (const alg of ['none', 'zlib'] as const) {
      context.progress.say(`writing a chain, ${alg}`);
      const catalog = join(context.stage.make(`validated-${alg}`), 'catalog');
      const files = Array.from({ length: FILES }, (_, n) => ({ path: `base/5/${16384 + n}`, blocks }));
      const target = writeChain({ catalog, instance: 'main', alg, layers: LAYERS, files, withWal: true });
      for (const jobs of [1, 2].filter((jobs) => jobs <= cpus)) {
        const sides: Contestant[] = [{ side: PBKFS, measure: () => ours(target, jobs) }];
        if (pgProbackup !== undefined) sides.push({ side: THEIRS, measure: () => theirs(pgProbackup, target, jobs) });
        const row = { id: `validate/${alg}-${jobs}`, what: `${alg}, -j${jobs}`, unit: 's' };
        rows.push(await context.row({ ...row, targets: [{ against: THEIRS, atMost: 1 }] }, sides));
      }
    }
    return rows;
  },
};

function ours({ catalog, instance }: MountTarget, jobs: number): Promise<Sample> {
  const args = ['validate', '-B', catalog, '-I', instance, '-i', TARGET, '-j', String(jobs)];
  return timed(process.execPath, [CLI, ...args], jobs === 1);
}

function theirs(program: string, { catalog, instance }: MountTarget, jobs: number): Promise<Sample> {
  const args = ['validate', '-B', catalog, '--instance', instance, '-i', TARGET, '-j', String(jobs)];
  return timed(program, args, jobs === 1);
}

/** The shell says what its children took: user and system time of all that they waited for. */
const TIMES = '"$@"; status=$?; times; exit $status';

async function timed(program: string, args: readonly string[], pinned: boolean): Promise<Sample> {
  const [command, all] = pinnedCommand(pinned, program, args);
  const { LD_LIBRARY_PATH: libraries } = process.env;
  const env = libraries === undefined ? {} : { LD_LIBRARY_PATH: libraries };
  const begun = performance.now();
  const { status, stdout, stderr } = await run('sh', ['-c', TIMES, 'sh', command, ...all], { env, timeout: 300_000 });
  const value = (performance.now() - begun) / 1000;
  if (status !== 0) throw new Error(`${[program, ...args].join(' ')}: ${stdout}${stderr}`);
  const spent = stdout.trimEnd().split('\n').at(-1)!;
  const cpuSeconds = [...spent.matchAll(/(\d+)m([\d.]+)s/g)].reduce(
    (sum, [, m, s]) => sum + Number(m) * 60 + Number(s),
    0,
  );
  return { value, cpuSeconds };
}
