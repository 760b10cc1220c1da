// Waiting for a server that is to stand at its recovery target.

import { setTimeout as sleep } from 'node:timers/promises';
import type { PostgresServer } from '../postgres/server.js';
import { ask, type Login } from './query.js';
import type { SessionProgress } from './session-request.js';

/** A read-only standby at its target. */
export interface Paused {
  /** Tables and indexes that nobody can read there. */
  readonly lockedRelations: number;
}

const POLL_MS = 50;

/**
 * Waits until recovery has come to its target; read-only queries are answered before. However long replay takes.
 * @returns false where recovery has ended instead
 * @throws PbkfsError server_failed when the server has ended by itself
 */
export async function untilPaused(
  server: PostgresServer,
  login: Login,
  progress: SessionProgress,
): Promise<false | Paused> {
  const question = `select pg_is_in_recovery(), case when pg_is_in_recovery() then pg_is_wal_replay_paused() end,
    (select count(*)::int from pg_locks where locktype = 'relation' and mode = 'AccessExclusiveLock' and granted)`;
  for (;;) {
    try {
      const [recovering, paused, lockedRelations] = await ask(server.connection, question, login);
      if (recovering === false) return false;
      if (paused === true) return { lockedRelations: lockedRelations as number };
    } catch (error) {
      // Its log tells more than a connection that broke; its end may be noticed a moment later.
      await sleep(POLL_MS);
      server.mustRun();
      throw error;
    }
    progress.detail(server.replaying() ?? '');
    await sleep(POLL_MS);
  }
}
