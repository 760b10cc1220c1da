// Random writes to a datafile of the backup, with an fsync now and then.

import { join } from 'node:path';
import type { Row } from '../report/results.js';
import type { BenchCase, Context } from '../run/context.js';
import { fio } from '../run/fio.js';
import { buildSides, contestant, EVERY_SIDE, NATIVE, NATIVE_AWAKE, PBKFS_LOW_LATENCY } from '../run/sides.js';
import { makeBackup, OTHER_FILE } from './stage-files.js';

export const datafileWrite: BenchCase = {
  name: 'datafile-write',
  title: 'Random writes to a datafile',
  method:
    'fio writes 8 KiB at random places of a datafile and calls fsync after every 32. On the mount the file belongs to the backup; its blocks move into the diff as they are written. fuse-overlayfs and overlayfs copy the whole file at the first write, which is not measured: it is opened for writing once before the first round. Warmed up before.',
  run: async (context: Context): Promise<Row[]> => {
    const { target, truth, otherSize: size } = makeBackup(context, { mib: 1, otherMib: context.size(256, 64) });
    const wanted = [...EVERY_SIDE, PBKFS_LOW_LATENCY, NATIVE_AWAKE];
    const sides = await buildSides(context.stage, { target, truth, wanted, ...context.peers });
    const write = (directory: string, seconds: number, pinned: boolean) => {
      const where = { file: join(directory, OTHER_FILE) };
      return fio({ rw: 'randwrite', where, size, seconds, more: ['--fsync=32'] }, pinned);
    };
    for (const { directory } of sides) await write(directory, 0.05, false);
    const measure = (pinned: boolean) =>
      sides.map((side) => contestant(side, pinned, ({ directory }) => write(directory, context.seconds, pinned)));
    const targets = [{ against: NATIVE, atLeast: 0.7 }];
    const what = '8 KiB random write, fsync every 32, 1 job';
    return context.rows({ id: 'datafile-write/fsync-32', what, unit: 'op/s', targets }, measure, context.warmUp);
  },
};
