// PostgreSQL at work: pgbench on every side.

import { query } from '../../test/support/postgres.js';
import type { Row } from '../report/results.js';
import { pgbenchCluster, type Reachable, pgbench as runPgbench, startAsUser, startOn } from '../run/cluster.js';
import type { BenchCase, Context } from '../run/context.js';
import type { Sample } from '../run/rounds.js';
import {
  buildSides,
  contestant,
  FUSE_NATIVE,
  FUSE_OVERLAYFS,
  NATIVE,
  NATIVE_AWAKE,
  PBKFS,
  PBKFS_FAST,
  PBKFS_FAST_AWAKE,
  PBKFS_LOW_LATENCY,
  PBKFS_PASSTHROUGH,
  PBKFS_WAL_DIR,
} from '../run/sides.js';
import { USER_MOUNT, userMount } from '../run/user-mount.js';

const OURS = [PBKFS, PBKFS_PASSTHROUGH, PBKFS_WAL_DIR, PBKFS_FAST];

export const pgbench: BenchCase = {
  name: 'pgbench',
  title: 'pgbench',
  method:
    'Scale 50 (quick: 5), 2 clients, prepared statements, shared_buffers 128 MB; a server of its own on each side, all started before the first round, all tables read once, warmed up before each row, a checkpoint before each measurement. The backup is a zlib chain of 4. "without root" is a mount that PostgreSQL’s user made through fusermount3; --wal-dir puts WAL on the file system of the diff.',
  run: async (context: Context): Promise<Row[]> => {
    context.progress.say('making the cluster and its backups');
    const { target, truth } = await pgbenchCluster(context);
    const wanted = [NATIVE, ...OURS, PBKFS_LOW_LATENCY, PBKFS_FAST_AWAKE, NATIVE_AWAKE, FUSE_NATIVE, FUSE_OVERLAYFS];
    const sides = await buildSides(context.stage, { ...context.peers, target, truth, wanted, peers: new Map() });
    const user = await userMount(context.stage, target);
    if ('missing' in user) context.absent.push(`${USER_MOUNT}: ${user.missing}`);
    else sides.push(user);
    const servers = new Map<string, Reachable>();
    for (const { name, directory } of sides) {
      context.progress.say(`starting a server on ${name}`);
      const server = await (name === USER_MOUNT ? startAsUser : startOn)(context.stage, directory);
      await query(server, 'select count(abalance) from pgbench_accounts', 'bench');
      servers.set(name, server);
    }
    const row = (id: string, what: string, atLeast: number, seconds: number, args: readonly string[]) => {
      const targets = [...OURS, USER_MOUNT].map((side) => ({ side, against: NATIVE, atLeast }));
      return context.row(
        { id: `pgbench/${id}`, what, unit: 'tps', targets },
        sides.map((side) =>
          contestant(side, false, async ({ name }): Promise<Sample> => {
            const server = servers.get(name)!;
            await query(server, 'checkpoint');
            const common = ['-n', '-c', '2', '-j', '2', '-T', String(seconds), '-M', 'prepared'];
            const out = await runPgbench(server, [...common, ...args]);
            const tps = Number(/^tps = ([\d.]+)/m.exec(out)?.[1]);
            const operations = Number(/^number of transactions actually processed: (\d+)/m.exec(out)?.[1]);
            if (!(tps > 0)) throw new Error(`pgbench on ${name}: ${out}`);
            return { value: tps, operations };
          }),
        ),
        context.warmUp,
      );
    };
    return [
      await row('select', 'select-only', 0.97, context.size(3, 2), ['-S']),
      await row('tpcb', 'TPC-B', 0.95, context.size(5, 2), []),
    ];
  },
};
