// Page checksums of a data directory: every relation file is read, and a directory that cannot be listed is no empty one.

import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Problems } from '../../../src/session/drill/finding.js';
import { pageCheck } from '../../../src/session/drill/page-check.js';
import { matchWhole } from '../../support/match-whole.js';
import { makePage } from '../../support/pages.js';

t.test('counts good pages, names bad ones, and does not pass over a directory', async (t) => {
  const dataDir = t.testdir({ global: {}, base: { 'a file': '' }, pg_tblspc: {} });
  const space = join(dataDir, 'pg_tblspc/16385/PG_15_202209061/5');
  for (const directory of [join(dataDir, 'base/5'), space]) mkdirSync(directory, { recursive: true });
  const bad = makePage(2, 1, { filled: true });
  bad[5000]! ^= 1;
  writeFileSync(join(dataDir, 'base/5/100'), Buffer.concat([makePage(1, 0, { filled: true }), bad]));
  writeFileSync(join(space, '200_fsm'), makePage(3, 0, { filled: true }));
  const check = async (): Promise<{ said: string; problems: readonly string[] }> => {
    const problems = new Problems();
    return { said: await pageCheck(dataDir, 2, () => undefined, problems), problems: problems.kept };
  };
  const { said, problems } = await check();
  t.equal(said, '3 blocks of 2 files');
  matchWhole(t, problems, [/^base\/5\/100, block 1: checksum \d+, its content has \d+$/]);
  t.equal(problems.length, 1);
  symlinkSync('16386', join(dataDir, 'pg_tblspc/16386'));
  await t.rejects(check(), { code: 'ELOOP' });
});
