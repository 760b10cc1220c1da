// A file of SQL as a check: it fails when a statement does, or when a statement answers a question with no.

import type { QueryResult } from 'pg';
import { counted } from '../../counted.js';
import type { ConnectionParameters } from '../../postgres/server.js';
import { connect } from '../query.js';
import type { Problems } from './finding.js';

const BOOLEAN_OID = 16;

export interface SqlFile {
  readonly path: string;
  readonly text: string;
}

/**
 * Runs all statements of the file in one session, each file in one transaction unless it has transactions of its own.
 * A statement whose first column is of type boolean is a question: each of its rows must say true. What other statements
 * return does not matter.
 * @returns what was run
 */
export async function sqlCheck(
  server: ConnectionParameters,
  login: { readonly role: string; readonly database: string },
  { path: file, text }: SqlFile,
  problems: Problems,
): Promise<string> {
  const client = await connect(server, login);
  try {
    const answer = (await client.query({ text, rowMode: 'array' })) as QueryResult | QueryResult[];
    const results = Array.isArray(answer) ? answer : [answer];
    let questions = 0;
    for (const [index, { fields, rows }] of results.entries()) {
      const [first] = fields;
      if (first?.dataTypeID !== BOOLEAN_OID) continue;
      questions++;
      const wrong = (rows as unknown[][]).filter(([value]) => value !== true).length;
      if (wrong > 0) {
        const column = first.name === '?column?' ? '' : ` (${first.name})`;
        problems.add(`${file}: statement ${index + 1}${column}: ${wrong} of ${rows.length} rows do not say true`);
      }
    }
    return `${counted(results.length, 'statement')} of ${file}, ${questions} of them questions`;
  } catch (error) {
    const { message, position } = error as { readonly message: string; readonly position?: string };
    const line = position === undefined ? '' : `, line ${lineOf(text, Number(position))}`;
    problems.add(`${file}${line}: ${message}`);
    return file;
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** @param position of a character, from 1, as the server counts */
function lineOf(text: string, position: number): number {
  return [...text].slice(0, position - 1).filter((character) => character === '\n').length + 1;
}
