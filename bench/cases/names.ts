// Operations on names: open, stat, create, unlink, list.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runOk } from '../../test/support/run.js';
import type { Row } from '../report/results.js';
import type { BenchCase, Context } from '../run/context.js';
import { pinnedCommand } from '../run/cpu.js';
import type { Sample } from '../run/rounds.js';
import {
  buildSides,
  contestant,
  FUSE_NATIVE,
  FUSE_OVERLAYFS,
  NATIVE,
  OVERLAYFS,
  PASSTHROUGH,
  PBKFS,
  PBKFS_PASSTHROUGH,
} from '../run/sides.js';
import { makeBackup } from './stage-files.js';

const PROGRAM = fileURLToPath(new URL('../programs/names.js', import.meta.url));
const OPERATIONS = ['open+close', 'stat', 'create', 'unlink', 'readdir+stat'];

export const names: BenchCase = {
  name: 'names',
  title: 'Operations on names',
  method:
    'One process on a directory of 1000 files, everything known to the kernel already where it may be. The target is libfuse’s C server on the same machine: passthrough_ll, compiled from the examples of Debian’s libfuse3-dev; `--peer` adds others. For readdir+stat entries count. The CPU time of create and unlink is that of one pair of them. Warmed up before each row.',
  run: async (context: Context): Promise<Row[]> => {
    const { target, truth } = makeBackup(context, { mib: 1, layers: 1 });
    const wanted = [NATIVE, PBKFS, PBKFS_PASSTHROUGH, PASSTHROUGH, FUSE_NATIVE, FUSE_OVERLAYFS, OVERLAYFS];
    const sides = await buildSides(context.stage, { target, truth, wanted, ...context.peers });
    const where = (directory: string) => join(directory, 'bench-names');
    for (const { directory } of sides) {
      mkdirSync(where(directory));
      await runOk(process.execPath, [PROGRAM, 'prepare', where(directory), '0']);
    }
    const rows: Row[] = [];
    const warmUp = context.size(2, 0.5);
    for (const operation of OPERATIONS) {
      const measure = (pinned: boolean) =>
        sides.map((side) =>
          contestant(side, pinned, async ({ directory }): Promise<Sample> => {
            const args = [PROGRAM, operation, where(directory), String(context.size(0.4, 0.2))];
            return JSON.parse(await runOk(...pinnedCommand(pinned, process.execPath, args))) as Sample;
          }),
        );
      const targets = [{ against: PASSTHROUGH, atLeast: 1 }];
      const row = { id: `names/${operation}`, what: operation, unit: 'op/s', targets };
      rows.push(...(await context.rows(row, measure, warmUp)));
    }
    return rows;
  },
};
