// How long it takes from nothing to the first answer of a server.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import type { MountTarget } from '../../test/support/mount.js';
import { pbkfs, type TestMount } from '../../test/support/mount.js';
import { query, start } from '../../test/support/postgres.js';
import { addTerabyte } from '../catalog/terabyte.js';
import type { Row } from '../report/results.js';
import { makeCluster } from '../run/cluster.js';
import type { BenchCase, Context } from '../run/context.js';
import { copyTree, mounted, NATIVE, PBKFS } from '../run/sides.js';
import type { Stage } from '../run/stage.js';
import { benchTarget } from '../target.js';

/** Seconds of one round. */
interface Times {
  readonly mount: number;
  /** From the mount to the first answer. */
  readonly query: number;
  /** What the server says that its recovery took; part of `query`. */
  readonly recovery: number;
}

export const firstQuery: BenchCase = {
  name: 'first-query',
  title: 'From nothing to the first query',
  method:
    'A new mount (the time of the command `pbkfs mount`), a server started on it, `select count(*) from pg_class`. The demo chain is the one of `npm run demo`, four backups made by pg_probackup; native is a plain copy of the same (`pbkfs export`). The terabyte is a small cluster with one relation of 1024 segments of 1 GiB, a chain of 4; it was shut down in order and needs no recovery. PostgreSQL’s own recovery, as its log tells, is shown separately and not part of what the target counts. The slow store is the demo chain with 50 ms added to every read of a file of the catalog, mounted with and without `--prefetch hot`; the time is from the return of `pbkfs mount` to the answer.',
  run: async (context: Context): Promise<Row[]> => {
    const demo = await benchTarget(context.stage);
    const plain = join(context.stage.make('plain'), 'data');
    await context.stage.act(async (stage) => {
      const { mountpoint } = await mounted(stage, demo);
      const { status, stderr } = await pbkfs(['export', mountpoint, '-o', plain, '--no-sync']);
      if (status !== 0) throw new Error(`pbkfs export: ${stderr}`);
    });
    context.progress.say('making the terabyte');
    const { target: terabyte } = await makeCluster(context.stage, {
      scale: 0,
      more: addTerabyte(context.size(1024, 256)),
    });
    return [
      ...(await rowsOf(context, 'demo', 'demo chain', demo, plain)),
      ...(await rowsOf(context, 'terabyte', 'sparse chain of 1 TB', terabyte)),
      await slowStore(context, demo),
    ];
  },
};

async function rowsOf(context: Context, id: string, what: string, target: MountTarget, plain?: string): Promise<Row[]> {
  const ours: Times[] = [];
  const native: Times[] = [];
  for (let round = 0; round < context.options.rounds; round++) {
    context.progress.say(`${what}: ${PBKFS}`);
    ours.push(await context.stage.act((stage) => mountAndAsk(stage, target)));
    if (plain === undefined) continue;
    context.progress.say(`${what}: ${NATIVE}`);
    native.push(
      await context.stage.act(async (stage) => {
        const copy = join(stage.make('copy'), 'data');
        await copyTree(plain, copy);
        // An exported tablespace is a directory.
        return { mount: 0, ...(await ask(stage, copy, { allow_in_place_tablespaces: 'on' })) };
      }),
    );
  }
  const row = (part: string, name: string, of: (times: Times) => number, atMost?: number): Row => ({
    id: `first-query/${id}-${part}`,
    what: `${what}: ${name}`,
    unit: 's',
    sides: [
      { side: PBKFS, samples: ours.map(of) },
      ...(native.length === 0 || part === 'mount' ? [] : [{ side: NATIVE, samples: native.map(of) }]),
    ],
    targets: atMost === undefined ? [] : [{ value: true, atMost }],
  });
  return [
    row('mount', 'mount', ({ mount }) => mount, 0.3),
    row('query', 'mounted to first answer, without recovery', ({ query, recovery }) => digits(query - recovery), 1),
    row('recovery', 'recovery', ({ recovery }) => recovery),
  ];
}

const PREFETCH = 'pbkfs --prefetch hot';
const FAULTS = fileURLToPath(new URL('../../test/support/faults.cjs', import.meta.url));

async function slowStore(context: Context, target: MountTarget): Promise<Row> {
  const faults = context.stage.make('faults');
  writeFileSync(join(faults, 'slow-read'), target.catalog);
  const env = { NODE_OPTIONS: `--require=${FAULTS}`, PBKFS_TEST_FAULTS: faults };
  const measured = (side: string, options: readonly string[]) => ({
    side,
    measure: async () => {
      const { query } = await context.stage.act((stage) => mountAndAsk(stage, target, env, options));
      return { value: query };
    },
  });
  const targets = [{ side: PREFETCH, against: PBKFS, atMost: 0.6 }];
  const row = { id: 'first-query/slow-store', what: 'slow store: mounted to first answer', unit: 's', targets };
  return context.row(row, [measured(PBKFS, []), measured(PREFETCH, ['--prefetch', 'hot'])]);
}

async function mountAndAsk(
  stage: Stage,
  target: MountTarget,
  env: Record<string, string> = {},
  options: readonly string[] = [],
): Promise<Times> {
  const begun = performance.now();
  const mount: TestMount = await mounted(stage, target, env, options);
  const seconds = digits((performance.now() - begun) / 1000);
  return { mount: seconds, ...(await ask(stage, mount.mountpoint)) };
}

async function ask(
  stage: Stage,
  dataDir: string,
  settings: Readonly<Record<string, string>> = {},
): Promise<Omit<Times, 'mount'>> {
  const begun = performance.now();
  const server = await start(stage, dataDir, { settings });
  await query(server, 'select count(*) from pg_class');
  const seconds = digits((performance.now() - begun) / 1000);
  const recovery = Number(/redo done at .* elapsed: ([\d.]+) s/.exec(server.log())?.[1] ?? 0);
  await server.stop('immediate');
  return { query: seconds, recovery };
}

function digits(value: number): number {
  return Number(value.toPrecision(4));
}
