// What `rescue --query` puts into COPY (…): one statement, without what may stand behind it.

import t from 'tap';
import { oneStatement } from '../../src/session/one-statement.js';

t.test('semicolons and comments behind a statement go, and nothing else', async (t) => {
  for (const [sql, statement] of [
    ['select 1', 'select 1'],
    ['select 1; -- x', 'select 1'],
    ['select 1 -- a; b\n; /* c; /* d */ ; */ ;\n', 'select 1'],
    ['-- all\nselect 1', '-- all\nselect 1'],
    [`select ';-- x';`, `select ';-- x'`],
    [`select 'it''s;' /* ; */ as ";""";`, `select 'it''s;' /* ; */ as ";"""`],
    [String.raw`select E'\'; ', date'2001-01-01\';`, String.raw`select E'\'; ', date'2001-01-01\'`],
    ['select $$;$$, $b$ $$; $B$ $b$, a$b$c; --', 'select $$;$$, $b$ $$; $B$ $b$, a$b$c'],
    [`select 'open; select 2`, `select 'open; select 2`],
    ['select 1 /* open; select 2', 'select 1 /* open; select 2'],
  ] as const) {
    t.equal(oneStatement(sql), statement, sql);
  }
});

t.test('several statements, and none, are refused', async (t) => {
  const several = { code: 'usage', message: '--query takes one statement, and another one begins: select 2' };
  t.throws(() => oneStatement('select 1; /* and */ select\n2'), several);
  for (const sql of ['', ' ; ', '-- select 1', '/* select 1 */;']) {
    t.throws(() => oneStatement(sql), { code: 'usage', message: '--query has no statement' }, sql);
  }
});
