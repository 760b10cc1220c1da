// What WAL does: 8 KiB after 8 KiB, each made durable before the next.

import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Row } from '../report/results.js';
import type { BenchCase, Context } from '../run/context.js';
import { fio } from '../run/fio.js';
import {
  buildSides,
  contestant,
  EVERY_SIDE,
  NATIVE,
  NATIVE_AWAKE,
  PBKFS,
  PBKFS_LOW_LATENCY,
  PBKFS_PASSTHROUGH,
} from '../run/sides.js';
import { makeBackup } from './stage-files.js';

const SIZE = 64 * 2 ** 20;

export const wal: BenchCase = {
  name: 'wal',
  title: 'WAL: 8 KiB and fdatasync',
  method:
    'fio writes 8 KiB and calls fdatasync, again and again; each job has a file of its own, new in each round. "append" lets the file grow, "segment" goes over a file of 16 MiB that has its length, as PostgreSQL recycles WAL. Warmed up before the first row.',
  run: async (context: Context): Promise<Row[]> => {
    const { target, truth } = makeBackup(context, { mib: 1, layers: 1 });
    const wanted = [...EVERY_SIDE, PBKFS_PASSTHROUGH, PBKFS_LOW_LATENCY, NATIVE_AWAKE];
    const sides = await buildSides(context.stage, { target, truth, wanted, ...context.peers });
    const measure = (jobs: number, segment: boolean) => (pinned: boolean) =>
      sides.map((side) =>
        contestant(side, pinned, async ({ directory }) => {
          const where = join(directory, 'bench-wal');
          rmSync(where, { recursive: true, force: true });
          mkdirSync(where);
          const more = ['--fdatasync=1', ...(segment ? ['--overwrite=1'] : [])];
          const size = segment ? SIZE / 4 : SIZE;
          return fio({ rw: 'write', where: { directory: where }, size, jobs, seconds: context.seconds, more }, pinned);
        }),
      );
    const row = (id: string, what: string, atLeast: number) => ({
      id: `wal/${id}`,
      what,
      unit: 'op/s',
      targets: [PBKFS, PBKFS_PASSTHROUGH].map((side) => ({ side, against: NATIVE, atLeast })),
    });
    return [
      ...(await context.rows(row('append-1', 'append + fdatasync, 1 job', 0.9), measure(1, false), context.warmUp)),
      await context.row(row('append-4', 'append + fdatasync, 4 jobs', 0.85), measure(4, false)(false)),
      await context.row(row('segment-1', 'segment + fdatasync, 1 job', 0.9), measure(1, true)(false)),
    ];
  },
};
