// Page checksums of a data directory: every relation file is read, and a directory that cannot be listed is no empty one.

import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { pageChecksum } from '../../../src/backup/index.js';
import { Problems } from '../../../src/session/drill/finding.js';
import { pageCheck } from '../../../src/session/drill/page-check.js';
import { controlFile } from '../../support/control-file.js';
import { matchWhole } from '../../support/match-whole.js';
import { makePage } from '../../support/pages.js';

interface Checked {
  readonly said: string;
  readonly problems: readonly string[];
  /** Bytes, as they were told. */
  readonly progress: readonly number[];
}

async function check(dataDir: string): Promise<Checked> {
  const problems = new Problems();
  const progress: number[] = [];
  const said = await pageCheck(dataDir, 2, (bytes) => void progress.push(bytes), problems);
  return { said, problems: problems.kept.toSorted(), progress };
}

const good = (block: number): Buffer => makePage(block + 1, block, { filled: true });

function bad(block: number): Buffer {
  const page = good(block);
  page[5000]! ^= 1;
  return page;
}

t.test('counts good pages, names bad ones, and does not pass over a directory', async (t) => {
  const dataDir = t.testdir({ global: {}, base: { 'a file': '' }, pg_tblspc: {} });
  const space = join(dataDir, 'pg_tblspc/16385/PG_15_202209061/5');
  for (const directory of [join(dataDir, 'base/5'), space]) mkdirSync(directory, { recursive: true });
  writeFileSync(join(dataDir, 'base/5/100'), Buffer.concat([good(0), bad(1)]));
  writeFileSync(join(space, '200_fsm'), makePage(3, 0, { filled: true }));
  const { said, problems, progress } = await check(dataDir);
  t.equal(said, '3 blocks of 2 files');
  matchWhole(t, problems, [/^base\/5\/100, block 1: checksum \d+, its content has \d+$/]);
  t.equal(progress.at(-1), 3 * 8192);
  symlinkSync('16386', join(dataDir, 'pg_tblspc/16386'));
  await t.rejects(check(dataDir), { code: 'ELOOP' });
});

t.test('every fork, in every place where relations lie, and nothing else', async (t) => {
  const dataDir = t.testdir({ global: {}, base: { 5: {} }, pg_tblspc: { 16385: { PG_15_202209061: { 5: {} } } } });
  const names = ['100', '100_fsm', '100_vm', '100_init', '100.1'];
  const files = ['global', 'base/5', 'pg_tblspc/16385/PG_15_202209061/5'].flatMap((directory) =>
    names.map((name) => `${directory}/${name}`),
  );
  for (const path of files) writeFileSync(join(dataDir, path), bad(0));
  for (const name of ['t3_100', 'pg_filenode.map', '100_old', '100.x'])
    writeFileSync(join(dataDir, 'base/5', name), bad(0));
  mkdirSync(join(dataDir, 'pg_tblspc/16385/other/5'), { recursive: true });
  writeFileSync(join(dataDir, 'pg_tblspc/16385/other/5/100'), bad(0));
  const { said, problems } = await check(dataDir);
  t.equal(said, '15 blocks of 15 files');
  t.strictSame(
    problems.map((problem) => problem.replace(/, block 0: .*/, '')),
    files.toSorted(),
  );
});

t.test('a relation of more blocks than are read at a time', async (t) => {
  const dataDir = t.testdir({ global: {}, base: { 5: {} } });
  const blocks = Array.from({ length: 130 }, (_, block) => (block === 65 || block === 129 ? bad(block) : good(block)));
  writeFileSync(join(dataDir, 'base/5/100'), Buffer.concat(blocks));
  const { said, problems } = await check(dataDir);
  t.equal(said, '130 blocks of 1 file');
  matchWhole(t, problems, [/^base\/5\/100, block 129: /, /^base\/5\/100, block 65: /]);
});

t.test('a page that was never initialised has no checksum; by pd_upper alone, as pg_checksums judges it', async (t) => {
  const dataDir = t.testdir({ global: {}, base: { 5: {} } });
  const noLower = good(1);
  noLower.writeUInt16LE(0, 12);
  noLower.writeUInt16LE(pageChecksum(noLower, 0, 1) ^ 1, 8);
  const fresh = Buffer.alloc(8192);
  fresh.writeUInt16LE(24, 12);
  writeFileSync(join(dataDir, 'base/5/100'), Buffer.concat([Buffer.alloc(8192), noLower, fresh]));
  const { said, problems } = await check(dataDir);
  t.equal(said, '3 blocks of 1 file');
  matchWhole(t, problems, [/^base\/5\/100, block 1: /]);
});

t.test(
  'what cannot be read, and what is no whole block, is a problem, and keeps no other file from being read',
  async (t) => {
    const dataDir = t.testdir({ base: { 5: { 300: {} } } });
    symlinkSync('nowhere', join(dataDir, 'base/5/200'));
    writeFileSync(join(dataDir, 'base/5/400'), Buffer.concat([good(0), Buffer.alloc(100)]));
    writeFileSync(join(dataDir, 'base/5/500'), bad(0));
    const before = readdirSync('/proc/self/fd').length;
    const { problems } = await check(dataDir);
    matchWhole(t, problems, [
      /^base\/5\/200: ENOENT/,
      /^base\/5\/300: EISDIR/,
      /^base\/5\/400: 100 bytes behind block 1 are no whole block$/,
      /^base\/5\/500, block 0: /,
    ]);
    t.equal(readdirSync('/proc/self/fd').length, before, 'no descriptor is left open');
  },
);

for (const [what, segmentBlocks] of [
  ['of 1 GiB, where pg_control does not say', 131072],
  ['as the server was built', 16],
] as const) {
  t.test(`checksums count blocks of the relation: segments ${what}`, async (t) => {
    const dataDir = t.testdir({ global: {}, base: { 5: {} } });
    if (segmentBlocks === 16) writeFileSync(join(dataDir, 'global/pg_control'), controlFile(segmentBlocks));
    writeFileSync(join(dataDir, 'base/5/100.2'), Buffer.concat([good(2 * segmentBlocks), good(2 * segmentBlocks + 1)]));
    writeFileSync(join(dataDir, 'base/5/100.1'), good(0));
    const { said, problems } = await check(dataDir);
    t.equal(said, '3 blocks of 2 files');
    matchWhole(t, problems, [/^base\/5\/100\.1, block 0: /]);
  });
}
