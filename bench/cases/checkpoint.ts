// How long readers wait while a checkpoint syncs.

import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runOk } from '../../test/support/run.js';
import type { Row } from '../report/results.js';
import type { BenchCase, Context } from '../run/context.js';
import { interleave } from '../run/rounds.js';
import { buildSides, contestant, NATIVE, PASSTHROUGH, PBKFS } from '../run/sides.js';
import { makeBackup, OTHER_FILE } from './stage-files.js';

const PROGRAM = fileURLToPath(new URL('../programs/checkpoint.js', import.meta.url));

interface Seen {
  readonly seconds: number;
  readonly reads: number;
  readonly seeks: number;
}

export const checkpoint: BenchCase = {
  name: 'checkpoint',
  title: 'Readers during a checkpoint',
  method:
    'A program writes every block of a datafile of 1 GiB and calls fsync; meanwhile a second thread reads blocks of the same file and asks for its length by lseek(SEEK_END), with a pause of 0.2 ms between; again, five times at most, where an fsync was over before both were measured. The rows are the 99th percentile of what began during the fsync, and how long the fsync took.',
  run: async (context: Context): Promise<Row[]> => {
    const { target, truth, otherSize } = makeBackup(context, { mib: 1, layers: 2, otherMib: context.size(1024, 128) });
    const wanted = [NATIVE, PBKFS, PASSTHROUGH];
    const sides = await buildSides(context.stage, { target, truth, wanted, ...context.peers });
    const seen = new Map<string, Seen[]>();
    await interleave(
      sides.map((side) =>
        contestant(side, false, async ({ name, directory }) => {
          const out = await runOk(process.execPath, [PROGRAM, join(directory, OTHER_FILE), String(otherSize)], {
            timeout: 300_000,
          });
          const result = JSON.parse(out) as Seen;
          seen.set(name, [...(seen.get(name) ?? []), result]);
          return { value: result.seconds };
        }),
      ),
      { rounds: context.options.rounds, tick: (side) => context.progress.say(side) },
    );
    const row = (id: keyof Seen, what: string, unit: string): Row => ({
      id: `checkpoint/${id}`,
      what,
      unit,
      sides: sides.map(({ name }) => ({
        side: name,
        samples: seen.get(name)!.map((result) => Number(result[id].toPrecision(4))),
      })),
      targets: id === 'seconds' ? [] : [{ against: NATIVE, atMost: 2 }],
    });
    return [
      row('reads', 'read of 8 KiB, 99th percentile', 'µs'),
      row('seeks', 'lseek(SEEK_END), 99th percentile', 'µs'),
      row('seconds', 'the fsync itself', 's'),
    ];
  },
};
