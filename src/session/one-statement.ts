// The text of one SQL statement, cut out for a place where nothing may follow it: COPY (…) TO STDOUT.

import { PbkfsError } from '../errors.js';

/** Spaces and comments to the end of the line; the begin of a comment that may hold others; then what may hide a semicolon. */
const TOKEN =
  /(\s+|--[^\r\n]*)|(\/\*)|[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|\$((?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?)\$.*?\$\3\$|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*|./gs;

/**
 * @param sql a statement, with semicolons and comments behind it at most
 * @returns it without those; unchanged where a quote or a comment does not end, which the server says better
 * @throws PbkfsError usage when it is none, or several
 */
export function oneStatement(sql: string): string {
  const tokens = new RegExp(TOKEN);
  let end = 0;
  let over = false;
  for (let found = tokens.exec(sql); found !== null; found = tokens.exec(sql)) {
    const [token, nothing, comment] = found;
    if (nothing !== undefined) continue;
    if (comment !== undefined) {
      tokens.lastIndex = endOfComment(sql, found.index);
      if (tokens.lastIndex === 0) return sql;
      continue;
    }
    if (token === "'" || token === '"') return sql;
    if (token === ';') {
      over = true;
    } else if (over) {
      const next = sql.slice(found.index, found.index + 30).replace(/\s+/g, ' ');
      throw new PbkfsError('usage', `--query takes one statement, and another one begins: ${next}`);
    } else {
      end = tokens.lastIndex;
    }
  }
  if (end === 0) throw new PbkfsError('usage', '--query has no statement');
  return sql.slice(0, end);
}

/** 0 when it does not end. */
function endOfComment(sql: string, start: number): number {
  const marks = /\/\*|\*\//g;
  marks.lastIndex = start;
  let depth = 0;
  for (let mark = marks.exec(sql); mark !== null; mark = marks.exec(sql)) {
    depth += mark[0] === '/*' ? 1 : -1;
    if (depth === 0) return marks.lastIndex;
  }
  return 0;
}
