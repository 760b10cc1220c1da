// Questions to a server of ours, as a database role that exists.

import { PbkfsError } from '../errors.js';
import type { ConnectionParameters } from '../postgres/server.js';
import { explainFailure } from './server-trouble.js';

export interface Login {
  readonly role?: string;
  readonly database?: string;
}

/** Opens a client. Loaded late: commands without a server need none of it. */
export async function connect(server: ConnectionParameters, login: Login = {}): Promise<import('pg').Client> {
  const { default: pg } = await import('pg');
  const { role = 'postgres', database = 'postgres' } = login;
  const client = new pg.Client({ ...server, user: role, database });
  // A server that is stopped under it is noticed by its queries.
  client.on('error', () => undefined);
  try {
    await client.connect();
    // Settings of the role or the database must not cut a long query short.
    await client.query('set statement_timeout = 0; set idle_in_transaction_session_timeout = 0; set lock_timeout = 0');
    return client;
  } catch (error) {
    await client.end().catch(() => undefined);
    throw explainFailure(new PbkfsError('server_failed', (error as Error).message, { cause: error }), 0);
  }
}

/** The first row of the answer. */
export async function ask(server: ConnectionParameters, sql: string, login: Login = {}): Promise<unknown[]> {
  return (await rows(server, sql, login))[0] ?? [];
}

/** All rows of the answer. */
export async function rows<T extends unknown[] = unknown[]>(
  server: ConnectionParameters,
  sql: string,
  login: Login = {},
): Promise<T[]> {
  const client = await connect(server, login);
  try {
    return (await client.query<T>({ text: sql, rowMode: 'array' })).rows;
  } finally {
    await client.end().catch(() => undefined);
  }
}
