// The truth queries of a catalog: what the source cluster answered right before each backup.

import { readFileSync } from 'node:fs';
import type { PostgresServer } from '../../src/postgres/server.js';
import { connected } from './postgres.js';

/** Database name → SQL → the text of the first column of its only row. */
export type Answers = Record<string, Record<string, string>>;

/** Reads `truth/INSTANCE.BACKUP.queries.json`. */
export function readAnswers(file: string): Answers {
  return JSON.parse(readFileSync(file, 'utf8')) as Answers;
}

/** Asks every question again; the ones answered otherwise, as `database: SQL => answer, wanted …`. */
export async function wrongAnswers(server: PostgresServer, answers: Answers): Promise<string[]> {
  const wrong: string[] = [];
  for (const [database, questions] of Object.entries(answers)) {
    await connected(server, database, async (client) => {
      for (const [sql, wanted] of Object.entries(questions)) {
        const answer = await client
          .query<unknown[]>({ text: sql, rowMode: 'array' })
          .then(({ rows }) => String(rows[0]?.[0]))
          .catch((error: Error) => `${error.message}`);
        if (answer !== wanted) wrong.push(`${database}: ${sql} => ${answer}, wanted ${wanted}`);
      }
    });
  }
  return wrong;
}

/** How many questions there are: so that a test can say that it asked any. */
export function countOf(answers: Answers): number {
  return Object.values(answers).reduce((sum, questions) => sum + Object.keys(questions).length, 0);
}

/** Nothing may change in a server that only answers: statistics (`reltuples`) are part of the truth. */
export const READ_ONLY_SETTINGS = { autovacuum: 'off' } as const;
