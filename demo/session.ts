// One sitting of the demo: mount, start PostgreSQL, let somebody use it, stop, unmount; with the times it took.

import { performance } from 'node:perf_hooks';
import pg from 'pg';
import type { ServerBinaries } from '../src/postgres/find-server.js';
import type { PostgresServer } from '../src/postgres/server.js';
import type { ServerUser } from '../src/postgres/server-user.js';
import { startServer } from '../src/postgres/start-server.js';
import type { Cleanup } from './cleanup.js';
import { pbkfs } from './pbkfs.js';

export interface SessionOptions {
  readonly cleanup: Cleanup;
  /** Arguments of `pbkfs mount`. */
  readonly mountArguments: readonly string[];
  readonly mountpoint: string;
  readonly binaries: ServerBinaries;
  readonly user: ServerUser;
}

/** Milliseconds. */
export interface SessionTimes {
  readonly mount: number;
  /** From before the mount until the first answer. */
  readonly firstQuery: number;
}

/** Asks one statement of one database; the first column of its rows, as text. */
export type Ask = (sql: string, database?: string) => Promise<string[]>;

/** Mounts, starts, calls `use`, stops and unmounts. What is left when it fails is undone by `cleanup`. */
export async function session(options: SessionOptions, use: (ask: Ask) => Promise<void>): Promise<SessionTimes> {
  const { cleanup, mountpoint, binaries, user } = options;
  const begin = performance.now();
  const mounting = begun(
    cleanup,
    'unmount',
    () => pbkfs(options.mountArguments),
    () => pbkfs(['unmount', '-D', mountpoint]),
  );
  await mounting.result;
  const mount = performance.now() - begin;

  const starting = begun(
    cleanup,
    'stop PostgreSQL',
    () => startServer({ dataDir: mountpoint, binaries, user }),
    async (server) => void (await server.crash()),
  );
  const server = await starting.result;
  await ask(server, 'select 1');
  const firstQuery = performance.now() - begin;
  console.log(`  PostgreSQL ${binaries.version} runs on it as user ${user.name}`);

  await use((sql, database) => ask(server, sql, database));
  await server.stop();
  console.log('  PostgreSQL stopped');
  starting.forget();
  await pbkfs(['unmount', '-D', mountpoint]);
  mounting.forget();
  return { mount, firstQuery };
}

/** Begins something that takes a while, so that an interruption in the middle of it is undone too. */
function begun<T>(
  cleanup: Cleanup,
  undoing: string,
  begin: () => Promise<T>,
  undo: (result: T) => Promise<void>,
): { result: Promise<T>; forget: () => void } {
  let result: Promise<T> | undefined;
  const forget = cleanup.defer(undoing, async () => {
    // What never came to be needs no undoing; its error is reported where it is awaited.
    const done = await result?.then(
      (value) => ({ value }),
      () => undefined,
    );
    if (done !== undefined) await undo(done.value);
  });
  result = begin();
  return { result, forget };
}

async function ask(server: PostgresServer, sql: string, database = 'postgres'): Promise<string[]> {
  const client = new pg.Client({ ...server.connection, user: 'postgres', database });
  // The server may be stopped under it by Ctrl-C; the query then fails, which is enough.
  client.on('error', () => {});
  await client.connect();
  try {
    const { rows } = await client.query<unknown[]>({ text: sql, rowMode: 'array' });
    return rows.map(([first]) => String(first));
  } finally {
    await client.end().catch(() => {});
  }
}
