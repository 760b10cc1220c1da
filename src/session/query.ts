// Questions to a server of ours, as a database role that exists.

import { PbkfsError } from '../errors.js';
import { given } from '../given.js';
import type { ConnectionParameters } from '../postgres/server.js';
import { explainFailure } from './server-trouble.js';

export interface Login {
  readonly role?: string;
  readonly database?: string;
}

const asOptions = (settings: string): string =>
  settings
    .split(/\s+/)
    .map((setting) => `-c ${setting}`)
    .join(' ');

/** Those that only a superuser may set. What is damaged is told, also where production had switched that off. */
const SUPERUSER_SETTINGS = asOptions('session_preload_libraries= zero_damaged_pages=off ignore_checksum_failure=off');

/** With serializable transactions a server that pauses at its target would answer nothing. */
const ORDINARY_SETTINGS = `${asOptions(
  `local_preload_libraries= role=none row_security=off
  default_transaction_read_only=off statement_timeout=0 idle_in_transaction_session_timeout=0 lock_timeout=0
  extra_float_digits=3 datestyle=ISO intervalstyle=postgres bytea_output=hex`,
)} -c default_transaction_isolation=read\\ committed`;

/**
 * Settings of a session, which outrank those that production has given to its roles and databases (ALTER ROLE … SET):
 * no library is loaded, no time limit cuts a long query short, numbers and dates come out whole and the same everywhere,
 * and policies that hide rows are an error.
 */
export const SESSION_SETTINGS = `${SUPERUSER_SETTINGS} ${ORDINARY_SETTINGS}`;

/** From 17 on there is one more limit, which older servers do not know. pg_dump lifts it itself. */
const NO_TRANSACTION_TIMEOUT = `select set_config('transaction_timeout', '0', false)
  where current_setting('transaction_timeout', true) is not null`;

/** Opens a client. Loaded late: commands without a server need none of it. @throws PbkfsError server_failed */
export async function connect(server: ConnectionParameters, login: Login = {}): Promise<import('pg').Client> {
  try {
    try {
      return await open(server, login, SESSION_SETTINGS);
    } catch (error) {
      if ((error as { readonly code?: string }).code !== INSUFFICIENT_PRIVILEGE) throw error;
      return await open(server, login, ORDINARY_SETTINGS);
    }
  } catch (error) {
    throw explainFailure(serverError(error), 0);
  }
}

/** What a server of ours has answered, with the hint that it may have given. */
export function serverError(cause: unknown, before = ''): PbkfsError {
  const { message } = cause as Error;
  // The server's own hint is to drop it.
  const hint = message.startsWith('cannot connect to invalid database')
    ? 'its DROP DATABASE was under way at that moment, or was interrupted before: recover to an earlier one'
    : (cause as { readonly hint?: string }).hint;
  return new PbkfsError('server_failed', `${before}${message}`, { cause, ...given({ hint }) });
}

/** What a role that is no superuser hears of the first settings. */
const INSUFFICIENT_PRIVILEGE = '42501';

/** What the library would take from PGSSLMODE and PGSSLNEGOTIATION, which a shell has for production. */
const LOCAL = { ssl: false, sslnegotiation: 'postgres' } as const;

async function open(server: ConnectionParameters, login: Login, options: string): Promise<import('pg').Client> {
  // A shell may ask for libpq with this; it is read when the module is loaded, and pg-native is not installed.
  delete process.env.NODE_PG_FORCE_NATIVE;
  const { default: pg } = await import('pg');
  const { role = 'postgres', database = 'postgres' } = login;
  const client = new pg.Client({ ...server, user: role, database, options, ...LOCAL });
  // A server that is stopped under it is noticed by its queries.
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query(NO_TRANSACTION_TIMEOUT);
    return client;
  } catch (error) {
    await client.end().catch(() => undefined);
    throw error;
  }
}

/** Runs what needs a client of its own, and ends that. @throws what `run` throws; PbkfsError server_failed */
export async function withClient<T>(
  server: ConnectionParameters,
  login: Login,
  run: (client: import('pg').Client) => Promise<T>,
): Promise<T> {
  const client = await connect(server, login);
  try {
    return await run(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** The first row of the answer. */
export async function ask(server: ConnectionParameters, sql: string, login: Login): Promise<unknown[]> {
  return (await rows(server, sql, login))[0] ?? [];
}

/** All rows of the answer. */
export async function rows<T extends unknown[] = unknown[]>(
  server: ConnectionParameters,
  sql: string,
  login: Login,
): Promise<T[]> {
  return withClient(server, login, async (client) => (await client.query<T>({ text: sql, rowMode: 'array' })).rows);
}
