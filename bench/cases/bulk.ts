// PostgreSQL's large operations: COPY, VACUUM, index build, CREATE DATABASE.

import { chmodSync, closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import type { PostgresServer } from '../../src/postgres/server.js';
import { query } from '../../test/support/postgres.js';
import type { Row } from '../report/results.js';
import { type Cluster, makeCluster, pgbenchCluster, startOn } from '../run/cluster.js';
import type { BenchCase, Context } from '../run/context.js';
import { interleave } from '../run/rounds.js';
import {
  buildSides,
  contestant,
  FUSE_OVERLAYFS,
  NATIVE,
  NATIVE_AWAKE,
  PBKFS,
  PBKFS_FAST,
  PBKFS_FAST_AWAKE,
  PBKFS_LOW_LATENCY,
  PBKFS_PASSTHROUGH,
} from '../run/sides.js';

const MIB = 2 ** 20;
/** A round takes minutes. */
const ROUNDS = 2;

interface Step {
  readonly id: string;
  readonly what: string;
  readonly sql: string;
  /** Where it is run. */
  readonly database: string;
}

export const bulk: BenchCase = {
  name: 'bulk',
  title: 'Large operations of PostgreSQL',
  method:
    'One after the other: COPY of 1 GB of text into a new table, VACUUM (FREEZE) of that table, an index on it, CREATE DATABASE with a database of 750 MB as its template; a checkpoint after each step is part of its time, so that what it wrote is on disk. COPY is measured with PostgreSQL 18 as well: from 16 on it extends a table by several pages at a time. The target, 0.6 of native’s speed, is 1.67 of its time. Two rounds at most.',
  run: async (context: Context): Promise<Row[]> => {
    const text = join(context.stage.make('copy'), 'rows');
    writeRows(text, context.size(1000, 100) * MIB);
    const steps: readonly Step[] = [
      { id: 'copy', what: 'COPY of 1 GB', sql: `copy loaded from '${text}'`, database: 'postgres' },
      { id: 'vacuum', what: 'VACUUM (FREEZE)', sql: 'vacuum (freeze) loaded', database: 'postgres' },
      { id: 'index', what: 'index build', sql: 'create index on loaded (balance, id)', database: 'postgres' },
      { id: 'database', what: 'CREATE DATABASE', sql: 'create database copied template bench', database: 'postgres' },
    ];
    const later = { ...steps[0]!, id: 'copy-18', what: 'COPY of 1 GB, PostgreSQL 18' };
    context.progress.say('making the clusters and their backups');
    const cluster = await pgbenchCluster(context);
    const cluster18 = await makeCluster(context.stage, { scale: 0, major: 18 });
    return [...(await contest(context, cluster, steps)), ...(await contest(context, cluster18, [later]))];
  },
};

/** Runs the steps on every side, in turn. */
async function contest(context: Context, { target, truth, major }: Cluster, steps: readonly Step[]): Promise<Row[]> {
  const sides = await buildSides(context.stage, {
    ...context.peers,
    target,
    truth,
    wanted: [
      NATIVE,
      PBKFS,
      PBKFS_PASSTHROUGH,
      PBKFS_FAST,
      FUSE_OVERLAYFS,
      PBKFS_LOW_LATENCY,
      PBKFS_FAST_AWAKE,
      NATIVE_AWAKE,
    ],
    peers: new Map(),
  });
  const servers = new Map<string, PostgresServer>();
  for (const { name, directory } of sides) servers.set(name, await startOn(context.stage, directory, {}, major));
  const seen = new Map<string, { value: number; cpuSeconds?: number | undefined }[]>();
  await interleave(
    sides.map((side) => ({
      side: side.name,
      measure: async () => {
        const server = servers.get(side.name)!;
        await query(server, 'drop database if exists copied');
        await query(server, 'drop table if exists loaded');
        await query(server, 'create table loaded (id int, branch int, balance int, filler char(84))');
        await query(server, 'checkpoint');
        for (const { id, sql, database } of steps) {
          context.progress.say(`${id}: ${side.name}`);
          const { measure } = contestant(side, false, async () => {
            const begun = performance.now();
            await query(server, sql, database);
            await query(server, 'checkpoint');
            return { value: (performance.now() - begun) / 1000 };
          });
          const key = `${id} ${side.name}`;
          seen.set(key, [...(seen.get(key) ?? []), await measure()]);
        }
        return { value: 0 };
      },
    })),
    { rounds: Math.min(context.options.rounds, ROUNDS) },
  );
  for (const server of servers.values()) await server.stop('immediate');
  return steps.map(({ id, what }) => ({
    id: `bulk/${id}`,
    what,
    unit: 's',
    // 0.6 of native’s speed: at most 1 / 0.6 of its time.
    targets: [PBKFS, PBKFS_PASSTHROUGH, PBKFS_FAST].map((side) => ({
      ...{ side, against: NATIVE },
      atMost: Number((1 / 0.6).toFixed(2)),
    })),
    sides: sides.map(({ name }) => {
      const samples = seen.get(`${id} ${name}`)!;
      const cpu = samples.map(({ cpuSeconds }) => cpuSeconds);
      return {
        side: name,
        samples: samples.map(({ value }) => Number(value.toPrecision(4))),
        ...(cpu.every((seconds) => seconds !== undefined)
          ? { cpuSeconds: cpu.map((seconds) => Number(seconds.toFixed(2))) }
          : {}),
      };
    }),
  }));
}

/** Rows of the table, as COPY reads them. */
function writeRows(file: string, bytes: number): void {
  const fd = openSync(file, 'w');
  const filler = 'x'.repeat(84);
  let written = 0;
  for (let id = 0; written < bytes; ) {
    let piece = '';
    for (let i = 0; i < 10_000; i++, id++)
      piece += `${id}\t${id % 1000}\t${Math.imul(id, 2654435761) >> 12}\t${filler}\n`;
    written += writeSync(fd, piece);
  }
  closeSync(fd);
  chmodSync(file, 0o644);
}
