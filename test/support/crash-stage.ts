// A mounted backup with a PostgreSQL server and clients that keep book, to be crashed in many ways and asked afterwards.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Test } from 'tap';
import type { PostgresServer } from '../../src/postgres/server.js';
import type { ProcessIdentity } from '../../src/sys/process-identity.js';
import { type Answers, wrongAnswers } from './answers.js';
import { amcheckFindings, amcheckMissing, checksumComplaints } from './integrity.js';
import { Ledger } from './ledger.js';
import { isMounted, type TestMount } from './mount.js';
import { clientProgram, start, type Teardown } from './postgres.js';

const settings = {
  // Much recycling and removing of WAL segments, and checkpoints of their own accord.
  checkpoint_timeout: '30s',
  max_wal_size: '8MB',
  min_wal_size: '4MB',
  autovacuum: 'off',
} as const;

export class CrashStage {
  readonly mount: TestMount;
  readonly ledger: Ledger;
  readonly #t: Teardown;
  readonly #answers: Answers;
  #server: PostgresServer | undefined;
  #working: Promise<void> = Promise.resolve();
  #process: ProcessIdentity | undefined;

  /** @param answers those that depend on statistics are left out: the clients write to the backup's tables */
  constructor(t: Teardown, mount: TestMount, answers: Answers, seed: number) {
    this.#t = t;
    this.mount = mount;
    this.ledger = new Ledger(seed);
    const lasting = Object.entries(answers).map(([database, questions]) => [
      database,
      Object.fromEntries(Object.entries(questions).filter(([sql]) => !sql.includes('reltuples'))),
    ]);
    this.#answers = Object.fromEntries(lasting) as Answers;
    this.#process = mount.owner();
  }

  get server(): PostgresServer {
    if (this.#server === undefined) throw new Error('no server runs');
    return this.#server;
  }

  /** Starts the server, which recovers. */
  async start(): Promise<PostgresServer> {
    this.#server = await start(this.#t, this.mount.mountpoint, { settings });
    return this.#server;
  }

  /** Lets the clients work until at least `steps` more of each were acknowledged. They go on then. */
  async work(steps: number): Promise<void> {
    const goals = this.ledger.progress.map((done) => done + steps);
    let over = false;
    this.#working = this.ledger.work(this.server).finally(() => {
      over = true;
    });
    while (this.ledger.progress.some((done, client) => done < goals[client]!)) {
      const [refusal] = this.ledger.refusals;
      if (refusal !== undefined) throw new Error(`a client cannot work: ${refusal}`);
      if (over) throw new Error(`the clients cannot work:\n${this.server.log().slice(-2000)}`);
      await sleep(10);
    }
  }

  /** SIGKILL to the server and the mount process, where they still live; takes the dead mount off. */
  async killAll(): Promise<void> {
    await this.killMount();
    await this.takeOff();
  }

  /** SIGKILL to the mount process alone. */
  async killMount(): Promise<void> {
    // Known beforehand: the lock file may be unreadable by now.
    if (this.#process !== undefined) await this.mount.kill9(this.#process);
  }

  /** SIGKILL to what is left of the server, and the end of a dead mount. */
  async takeOff(): Promise<void> {
    await this.#server?.crash();
    this.#server = undefined;
    await this.#working;
    if (isMounted(this.mount.mountpoint)) await this.mount.unmountDead();
  }

  async remount(...options: string[]): Promise<void> {
    await this.mount.remount(...options);
    this.#process = this.mount.owner();
  }

  /** Recovers and compares the rows with the book, the backup's tables with what they were. Everything wrong, in lines. */
  async recover(): Promise<string[]> {
    const server = await this.start();
    return [...(await this.ledger.verify(server)), ...(await wrongAnswers(server, this.#answers))];
  }

  /** amcheck looks at all tables and indexes, pg_checksums at all files: a test each, skipped where it is missing. Stops the server. */
  async integrity(t: Test): Promise<void> {
    const { server } = this;
    await t.test('amcheck finds nothing', { skip: await amcheckMissing(server) }, async (t) => {
      t.strictSame(await amcheckFindings(server), []);
    });
    await server.stop();
    this.#server = undefined;
    const tool = clientProgram('pg_checksums');
    await t.test('pg_checksums finds nothing', { skip: 'missing' in tool && tool.missing }, async (t) => {
      t.equal(await checksumComplaints(this.mount.mountpoint), '');
    });
  }
}
