// What must not cost more: further readers, longer chains, larger files.

import { join } from 'node:path';
import type { Row } from '../report/results.js';
import type { BenchCase, Context } from '../run/context.js';
import { fio } from '../run/fio.js';
import type { Contestant } from '../run/rounds.js';
import { contestant, type Side } from '../run/sides.js';
import { BACKUP_FILE, makeBackup, mountBackup, readBackupFile } from './stage-files.js';

const READERS = [1, 2, 4, 8, 16];
/** "Never falls" of figures that vary from round to round: by no more than this. */
const NOISE = 0.95;

export const growth: BenchCase = {
  name: 'growth',
  title: 'Growth',
  method:
    'O_DIRECT random reads of 8 KiB of uncompressed chains on mounts of pbkfs: 1 to 16 readers (each compared with half as many; what rounds differ by, 5 %, is allowed for), chains of 1, 8 and 30 backups, and a file of 64 MiB against one of 1 GiB, 4 readers. All mounts are warmed up.',
  run: async (context: Context): Promise<Row[]> => {
    const mib = context.size(64, 16);
    const large = context.size(1024, 128);
    const mount = async (name: string, layers: number, size: number): Promise<Side & { bytes: number }> => {
      const backup = makeBackup(context, { layers, mib: size });
      const side = await mountBackup(context, backup);
      // The first touch builds the block index and brings the stored file into the page cache.
      await readBackupFile(side.directory, backup.size);
      return { ...side, name, bytes: backup.size };
    };
    const read = (side: Side & { bytes: number }, jobs: number, name = side.name): Contestant => ({
      ...contestant(side, false, ({ directory }) =>
        fio(
          {
            rw: 'randread',
            where: { file: join(directory, BACKUP_FILE) },
            size: side.bytes,
            jobs,
            seconds: context.seconds,
            direct: true,
          },
          false,
        ),
      ),
      side: name,
    });
    const one = await mount('1 backup', 1, mib);
    const eight = await mount('8 backups', 8, mib);
    const thirty = await mount('30 backups', 30, mib);
    const big = await mount('large file', 1, large);
    const name = (jobs: number) => `${jobs} reader${jobs === 1 ? '' : 's'}`;
    const readers = await context.row(
      {
        id: 'growth/readers',
        what: 'readers',
        unit: 'op/s',
        targets: READERS.slice(1).map((jobs) => ({ side: name(jobs), against: name(jobs / 2), atLeast: NOISE })),
      },
      READERS.map((jobs) => read(big, jobs, name(jobs))),
      context.size(2, 0.5),
    );
    const against = one.name;
    const chains = await context.row(
      {
        id: 'growth/chain',
        what: 'length of the chain',
        unit: 'op/s',
        targets: [eight, thirty].map(({ name }) => ({ side: name, against, atLeast: 0.9 })),
      },
      [one, eight, thirty].map((side) => read(side, 4)),
      context.warmUp,
    );
    const size = await context.row(
      {
        id: 'growth/size',
        what: 'size of the file',
        unit: 'op/s',
        targets: [{ side: big.name, against: 'small file', atLeast: 0.9 }],
      },
      [read(one, 4, 'small file'), read(big, 4)],
    );
    return [readers, chains, size];
  },
};
