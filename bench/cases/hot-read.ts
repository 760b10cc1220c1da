// 8 KiB random reads that the kernel's page cache answers.

import { join } from 'node:path';
import type { Row } from '../report/results.js';
import type { BenchCase, Context } from '../run/context.js';
import { fio } from '../run/fio.js';
import { buildSides, contestant, EVERY_SIDE, NATIVE } from '../run/sides.js';
import { BACKUP_FILE, makeBackup, readBackupFile } from './stage-files.js';

export const hotRead: BenchCase = {
  name: 'hot-read',
  title: 'Hot 8 KiB random reads',
  method:
    'fio (psync, buffered) on a datafile that is wholly in the page cache of each side, read once before the first round: none of these reads reaches a server.',
  run: async (context: Context): Promise<Row[]> => {
    const { target, truth, size } = makeBackup(context, { mib: context.size(256, 64) });
    const sides = await buildSides(context.stage, { target, truth, wanted: EVERY_SIDE, ...context.peers });
    const file = (directory: string) => ({ file: join(directory, BACKUP_FILE) });
    for (const { directory } of sides) await readBackupFile(directory, size);
    const rows: Row[] = [];
    for (const jobs of [1, 4]) {
      const measure = (pinned: boolean) =>
        sides.map((side) =>
          contestant(side, pinned, ({ directory }) =>
            fio({ rw: 'randread', where: file(directory), size, jobs, seconds: context.seconds }, pinned),
          ),
        );
      const what = `8 KiB random read, page cache, ${jobs} job${jobs === 1 ? '' : 's'}`;
      const targets = [{ against: NATIVE, atLeast: 0.9 }];
      rows.push(...(await context.rows({ id: `hot-read/jobs-${jobs}`, what, unit: 'op/s', targets }, measure)));
    }
    return rows;
  },
};
