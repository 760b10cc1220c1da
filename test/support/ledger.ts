// Clients that keep book, outside of the database, of what PostgreSQL has acknowledged: after any crash the database must
// hold exactly that, and at most the one step of each client whose answer never came.

import type pg from 'pg';
import type { PostgresServer } from '../../src/postgres/server.js';
import { connected } from './postgres.js';
import { seededRandom } from './seeded-random.js';

const WRITERS = 3;
/** Tables of the backup's database `app` that are rewritten row by row with what they hold already. */
const BASE_TABLES = ['t_extend', 't_static', 't_regrow', 't_toast', 't_ts'];

/** Asks for a single value. */
type Ask = (sql: string) => Promise<string>;

/** Rows of a table that a client made; undefined: it does not exist. */
type Rows = number | undefined;

export class Ledger {
  /** Last number each writer has committed. */
  readonly #committed: number[] = new Array<number>(WRITERS).fill(0);
  readonly #tables = new Map<number, Rows>();
  /** What the maker of tables was doing when its answer was cut off. */
  #unanswered: { table: number; rows: Rows } | undefined;
  #nextTable = 1;
  readonly #below: (limit: number) => number;
  #refusals: string[] = [];

  constructor(seed: number) {
    const random = seededRandom(seed);
    this.#below = (limit) => Math.floor(random() * limit);
  }

  /** Steps that were acknowledged so far. */
  get acknowledged(): number {
    return this.progress.reduce((sum, steps) => sum + steps);
  }

  /** The same of each client that counts them: commits of the writers, and tables made. */
  get progress(): readonly number[] {
    return [...this.#committed, this.#nextTable];
  }

  /** What the server refused although it went on; verify tells of it, and it is over then. */
  get refusals(): readonly string[] {
    return this.#refusals;
  }

  /** The tables of the clients. Durable before anybody works. */
  async prepare(server: PostgresServer): Promise<void> {
    await connected(server, 'postgres', async (client) => {
      await client.query(`create table kept(w int, n int, filler text, primary key (w, n))`);
      await client.query('create table tally(w int primary key, n int)');
      await client.query(`insert into tally select w, 0 from generate_series(0, ${WRITERS - 1}) w`);
    });
  }

  /** Works with all clients until the server is gone. Never throws: that the server goes is the point; what else it says is for verify. */
  async work(server: PostgresServer): Promise<void> {
    const clients = [
      ...this.#committed.map((_, writer) => this.#client(server, 'postgres', (c) => this.#commit(c, writer))),
      this.#client(server, 'postgres', (c) => this.#define(c)),
      this.#client(server, 'app', (c) => this.#rewrite(c)),
      this.#client(server, 'postgres', (c) => this.#checkpoint(c)),
    ];
    await Promise.all(clients);
  }

  /** What is missing or wrong after recovery, one line each. The book then says what was found. */
  async verify(server: PostgresServer): Promise<string[]> {
    return connected(server, 'postgres', async (client) => {
      const ask = async (sql: string): Promise<string> =>
        String((await client.query<unknown[]>({ text: sql, rowMode: 'array' })).rows[0]![0]);
      const refusals = this.#refusals.map((text) => `refused before: ${text}`);
      this.#refusals = [];
      return [...refusals, ...(await this.#verifyWriters(ask)), ...(await this.#verifyTables(ask))];
    });
  }

  async #verifyWriters(ask: Ask): Promise<string[]> {
    const wrong: string[] = [];
    for (const [writer, committed] of this.#committed.entries()) {
      const found = await ask(`
        select count(*) || '/' || coalesce(max(n), 0) || '/' ||
          count(*) filter (where filler <> repeat(md5(n::text), length(filler) / 32)) || '/' ||
          (select n from tally where w = ${writer})
        from kept where w = ${writer}`);
      const last = Number(found.split('/')[1]);
      if (found !== `${last}/${last}/0/${last}` || last < committed || last > committed + 1) {
        wrong.push(`writer ${writer}: ${committed} acknowledged; found rows/last/broken/tally ${found}`);
      }
      this.#committed[writer] = last;
    }
    return wrong;
  }

  async #verifyTables(ask: Ask): Promise<string[]> {
    const wrong: string[] = [];
    for (const [table, rows] of this.#tables) {
      const found = await rowsOf(ask, table);
      const allowed = [rows];
      if (this.#unanswered?.table === table) allowed.push(this.#unanswered.rows);
      if (!allowed.some((wanted) => wanted === found)) {
        wrong.push(`table d_${table}: ${found} rows, acknowledged: ${allowed.join(' or ')}`);
      }
      this.#tables.set(table, typeof found === 'number' ? found : undefined);
    }
    this.#unanswered = undefined;
    return wrong;
  }

  async #client(server: PostgresServer, database: string, step: (client: pg.Client) => Promise<void>): Promise<void> {
    await connected(server, database, async (client) => {
      for (;;) await step(client);
    }).catch((error: Error & { code?: string }) => {
      if (!saysItGoes(error)) this.#refusals.push(`${error.code} ${error.message}`);
    });
  }

  async #commit(client: pg.Client, writer: number): Promise<void> {
    const n = this.#committed[writer]! + 1;
    const repeats = n % 25 === 0 ? 1500 : 1 + this.#below(30);
    await client.query(
      `with row as (insert into kept values ($1, $2, repeat(md5($2::int::text), $3))) update tally set n = $2 where w = $1`,
      [writer, n, repeats],
    );
    this.#committed[writer] = n;
  }

  /** Creates, fills, indexes, empties, shrinks, rewrites and drops tables of its own. */
  async #define(client: pg.Client): Promise<void> {
    const existing = [...this.#tables].filter(([, rows]) => rows !== undefined).map(([table]) => table);
    const table = existing[this.#below(existing.length)];
    const what = existing.length < 3 ? 0 : this.#below(6);
    if (table === undefined || what < 2) {
      const rows = 1 + this.#below(4000);
      const made = this.#nextTable++;
      const rowsSql = `select g as n, md5(g::text) as word from generate_series(1, ${rows}) g`;
      await this.#step(client, made, rows, `create table d_${made} as ${rowsSql}`);
      await client.query(`create index on d_${made}(word)`);
    } else if (what === 2) {
      await this.#step(client, table, undefined, `drop table d_${table}`);
    } else if (what === 3) {
      await this.#step(client, table, 0, `truncate d_${table}`);
    } else if (what === 4) {
      const rows = Math.min(this.#tables.get(table)!, 10);
      await this.#step(client, table, rows, `delete from d_${table} where n > 10`);
      await client.query(`vacuum (truncate) d_${table}`);
    } else {
      await client.query(`vacuum full d_${table}`);
    }
  }

  async #step(client: pg.Client, table: number, rows: Rows, sql: string): Promise<void> {
    if (!this.#tables.has(table)) this.#tables.set(table, undefined);
    this.#unanswered = { table, rows };
    await client.query(sql);
    this.#tables.set(table, rows);
    this.#unanswered = undefined;
  }

  /** First writes to files of the backup, and new versions of rows that say the same. */
  async #rewrite(client: pg.Client): Promise<void> {
    const table = BASE_TABLES[this.#below(BASE_TABLES.length)]!;
    const { rows } = await client.query<{ name: string }>(
      `select quote_ident(attname) as name from pg_attribute where attrelid = '${table}'::regclass and attnum = 1`,
    );
    const { name } = rows[0]!;
    await client.query(`update ${table} set ${name} = ${name} where random() < 0.2`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }

  async #checkpoint(client: pg.Client): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, this.#below(700)));
    await client.query(this.#below(3) === 0 ? 'select pg_switch_wal()' : 'checkpoint');
  }
}

/** Whether a client hears that the server goes, or the server that its mount or the mount's disk has gone. */
function saysItGoes({ code, message }: Error & { code?: string }): boolean {
  const isSqlState = /^[0-9A-Z]{5}$/.test(code ?? '') && !/^E[A-Z]+$/.test(code!);
  const isOperatorIntervention = code?.startsWith('57') === true;
  // What kept a checkpoint from its end stands in the server's log only.
  const isGone = /not connected|connection abort|Input\/output error|^checkpoint request failed$/.test(message);
  return !isSqlState || isOperatorIntervention || isGone;
}

async function rowsOf(ask: Ask, table: number): Promise<Rows | string> {
  if ((await ask(`select to_regclass('d_${table}') is not null`)) !== 'true') return undefined;
  const found = await ask(`select count(*) || '/' || count(*) filter (where word <> md5(n::text)) from d_${table}`);
  const [rows, broken] = found.split('/');
  return broken === '0' ? Number(rows) : `${found} (broken)`;
}
