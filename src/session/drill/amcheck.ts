// Heap tables and B-tree indexes of all databases, checked by the functions of the extension amcheck, as pg_amcheck does.
// That program is not asked: servers from npm have no client programs, and the functions say the same.

import type { Client } from 'pg';
import type { ConnectionParameters } from '../../postgres/server.js';
import { connect, type Login, rows } from '../query.js';
import type { Problems } from './finding.js';

/** From which major version on the extension checks tables too. */
const HEAP_SINCE = 14;
/** Rows that verify_heapam may give for one table: what follows tells no more. */
const MOST_ROWS = 20;

interface Relation {
  readonly oid: number;
  readonly name: string;
  readonly kind: 'heap' | 'btree';
}

export interface AmcheckOptions {
  readonly server: ConnectionParameters;
  readonly login: Required<Login>;
  readonly major: number;
  /** Connections at a time. */
  readonly jobs: number;
  readonly progress: (text: string) => void;
}

/**
 * Checks every table, materialized view and TOAST table, and every index with the heap beside it (heapallindexed).
 * The server must take writes: the extension is made where it is missing.
 * @returns what was checked
 */
export async function amcheck(options: AmcheckOptions, problems: Problems): Promise<string> {
  const databases = await connectableDatabases(options.server, options.login);
  let checked = 0;
  for (const [index, database] of databases.entries()) {
    const login = { ...options.login, database };
    const clients = [await connect(options.server, login)];
    try {
      const schema = await extensionSchema(clients[0]!);
      const relations = await relationsOf(clients[0]!, options.major, index === 0);
      while (clients.length < Math.min(options.jobs, relations.length)) {
        clients.push(await connect(options.server, login));
      }
      let next = 0;
      const work = async (client: Client): Promise<void> => {
        for (let relation = relations[next++]; relation !== undefined; relation = relations[next++]) {
          options.progress(`${database}: ${next} of ${relations.length} relations`);
          for (const text of await checkRelation(client, schema, relation)) {
            problems.add(`database ${database}, ${relation.name}: ${text}`);
          }
          checked++;
        }
      };
      // All to their end, so that none fails behind our back; then the first failure counts.
      const ended = await Promise.allSettled(clients.map(work));
      const failed = ended.find((result) => result.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
    } finally {
      for (const client of clients) await client.end().catch(() => undefined);
    }
  }
  return `${checked} tables and indexes of ${databases.length} databases`;
}

/** What PostgreSQL sets for a database whose DROP DATABASE was interrupted: it lets nobody in, and can only be dropped. */
const INVALID = 'datconnlimit = -2';

/** @throws PbkfsError server_failed */
export function connectableDatabases(server: ConnectionParameters, login: Login): Promise<string[]> {
  return databasesThat(`datallowconn and not ${INVALID}`, server, login);
}

/** @throws PbkfsError server_failed */
export function invalidDatabases(server: ConnectionParameters, login: Login): Promise<string[]> {
  return databasesThat(INVALID, server, login);
}

async function databasesThat(condition: string, server: ConnectionParameters, login: Login): Promise<string[]> {
  const question = `select datname from pg_database where ${condition} order by oid`;
  return (await rows<[string]>(server, question, login)).map(([name]) => name);
}

async function extensionSchema(client: Client): Promise<string> {
  await client.query('create extension if not exists amcheck with schema pg_catalog');
  // One of an older version may lack functions.
  await client.query('alter extension amcheck update');
  const found = await client.query<{ schema: string }>(
    `select quote_ident(nspname) as schema from pg_extension e join pg_namespace n on n.oid = extnamespace
     where extname = 'amcheck'`,
  );
  return found.rows[0]!.schema;
}

/** Largest first, so that the last connection does not work alone for long. */
async function relationsOf(client: Client, major: number, withShared: boolean): Promise<Relation[]> {
  const found = await client.query<Relation>(
    `select c.oid::int8::float8 as oid, c.oid::regclass::text as name, a.amname as kind
     from pg_class c join pg_am a on a.oid = c.relam left join pg_index i on i.indexrelid = c.oid
     where c.relpersistence <> 't' and ($2 or not c.relisshared)
       and (a.amname = 'heap' and c.relkind in ('r', 'm', 't') and $1
         or a.amname = 'btree' and c.relkind = 'i' and i.indisvalid and i.indisready)
     order by c.relpages desc, c.oid`,
    [major >= HEAP_SINCE, withShared],
  );
  return found.rows;
}

/** What is wrong with it. @throws what has nothing to do with the relation: the server has ended */
async function checkRelation(client: Client, schema: string, { oid, kind }: Relation): Promise<string[]> {
  const sql =
    kind === 'heap'
      ? `select blkno, offnum, msg from ${schema}.verify_heapam(${oid}::oid::regclass, check_toast := true) limit ${MOST_ROWS}`
      : `select ${schema}.bt_index_check(${oid}::oid::regclass, true)`;
  try {
    const found = await client.query<{ blkno?: string; offnum?: number; msg?: string }>(sql);
    return found.rows
      .filter(({ msg }) => msg !== undefined)
      .map(({ blkno, offnum, msg }) => `block ${blkno}${offnum === null ? '' : `, line ${offnum}`}: ${msg}`);
  } catch (error) {
    // An error of the server has a code of five letters; a broken connection is for the caller.
    if (/^[0-9A-Z]{5}$/.test((error as { readonly code?: string }).code ?? '') && !isFatal(error)) {
      return [(error as Error).message];
    }
    throw error;
  }
}

function isFatal(error: unknown): boolean {
  return (error as { readonly severity?: string }).severity !== 'ERROR';
}
