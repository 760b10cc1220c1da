// 8 KiB random reads with nothing in any cache.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runOk } from '../../test/support/run.js';
import type { Row, SideResult } from '../report/results.js';
import type { BenchCase, Context } from '../run/context.js';
import { fio } from '../run/fio.js';
import { buildSides, contestant, NATIVE, PBKFS } from '../run/sides.js';
import { BACKUP_FILE, makeBackup } from './stage-files.js';

export const coldRead: BenchCase = {
  name: 'cold-read',
  title: 'Cold 8 KiB random reads',
  method:
    'Before each measurement everything is synced and the page cache of the whole machine dropped (`drop_caches`), inodes too: the first reads also build the block index anew. The disk has a cache of its own, so rounds on it differ much. Warmed up before each row in the same way: the caches are cold, the server is not.',
  run: async (context: Context): Promise<Row[]> => {
    const rows: Row[] = [];
    for (const alg of ['none', 'zlib'] as const) {
      const { target, truth, size } = makeBackup(context, { alg, mib: context.size(512, 64) });
      const sides = await buildSides(context.stage, { target, truth, wanted: [NATIVE, PBKFS], ...context.peers });
      const measure = sides.map((side) => {
        const { side: name, measure } = contestant(side, false, ({ directory }) =>
          fio({ rw: 'randread', where: { file: join(directory, BACKUP_FILE) }, size, seconds: context.seconds }, false),
        );
        return { side: name, measure: () => dropCaches().then(measure) };
      });
      const targets = alg === 'none' ? [{ against: NATIVE, atLeast: 0.7 }] : [];
      const what = `cold 8 KiB random read, ${alg === 'none' ? 'uncompressed' : alg} chain, 1 job`;
      const row = await context.row({ id: `cold-read/${alg}`, what, unit: 'op/s', targets }, measure, context.warmUp);
      rows.push(row);
      if (alg === 'zlib') {
        rows.push({
          id: 'cold-read/zlib-cpu',
          what: 'server CPU a page, zlib chain',
          unit: 'µs',
          sides: [cpuOf(row.sides.find(({ side }) => side === PBKFS)!)],
          targets: [{ value: true, atMost: 60 }],
        });
      }
    }
    return rows;
  },
};

/** µs of CPU for an operation. */
function cpuOf({ side, cpuSeconds, operations }: SideResult): SideResult {
  return { side, samples: cpuSeconds!.map((cpu, round) => Number(((cpu * 1e6) / operations![round]!).toPrecision(4))) };
}

/** Needs root, as the whole benchmark does. */
export async function dropCaches(): Promise<void> {
  await runOk('sync', []);
  writeFileSync('/proc/sys/vm/drop_caches', '3');
}
