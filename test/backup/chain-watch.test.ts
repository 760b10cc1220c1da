// What the watch says of a chain whose describing files are changed; test/e2e/chain-kept.test.ts has a mount under it.

import { execFileSync } from 'node:child_process';
import { readFileSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ChainWatch, chainChanges, openCatalog, resolveChain } from '../../src/backup/index.js';
import { writeSmallCatalog } from '../support/small-catalog.js';

const LIST = 'backup_content.control';
const MAP = 'page_header_map';
const [GONE, STATUS, OTHER, OTHER_LIST, OTHER_MAP] = chainChanges;

interface Watched {
  /** What the watch says: which backup of the chain, and what has become of it. */
  said(): Promise<null | readonly [layer: number, change: string]>;
  path(layer: number, name: string): string;
  /** Changes the text of a file in its place; always another time. */
  edit(layer: number, name: string, from: RegExp, to: string): void;
}

/** A chain of three backups that is watched. @param before prepares its files */
function watched(t: Test, before: (chain: Pick<Watched, 'path' | 'edit'>) => void = () => undefined): Watched {
  const catalog = openCatalog(writeSmallCatalog(join(t.testdir(), 'catalog')));
  const directories = resolveChain(catalog, 'main', 'latest').members.map(({ directory }) => directory);
  let seconds = 1_000_000_000;
  const path = (layer: number, name: string): string => join(directories[layer]!, name);
  const edit = (layer: number, name: string, from: RegExp, to: string): void => {
    const text = readFileSync(path(layer, name), 'latin1');
    if (!from.test(text)) throw new Error(`${name} has no ${from}`);
    writeFileSync(path(layer, name), text.replace(from, to), 'latin1');
    utimesSync(path(layer, name), seconds, seconds++);
  };
  before({ path, edit });
  const watch = ChainWatch.start(resolveChain(catalog, 'main', 'latest'));
  const said = async (): Promise<null | readonly [number, string]> => {
    const change = await watch.check();
    return change && [change.layer, chainChanges[change.kind]!];
  };
  return { said, path, edit };
}

t.test('a pipe in the place of a file is not waited for', async (t) => {
  for (const [name, change] of [
    [LIST, OTHER_LIST],
    ['backup.control', OTHER],
  ] as const) {
    const { said, path } = watched(t);
    t.equal(await said(), null);
    const file = path(1, name);
    renameSync(file, `${file}.kept`);
    execFileSync('mkfifo', [file]);
    t.strictSame(await said(), [1, change]);
  }
});

t.test('pins, notes and validations of the same backup are no change', async (t) => {
  const { said, edit } = watched(t);
  edit(0, 'backup.control', /$/, "note = 'pinned'\n");
  t.equal(await said(), null);
  for (const status of ['DONE', 'CORRUPT', 'ORPHAN', 'OK']) {
    edit(1, 'backup.control', /^status = .*$/m, `status = ${status}`);
    t.equal(await said(), null, status);
  }
});

t.test('a backup that a merge or a delete has had in its hands is never the same again', async (t) => {
  for (const [layer, status] of [
    [0, 'MERGING'],
    [1, 'MERGED'],
    [2, 'DELETING'],
    [1, 'ERROR'],
  ] as const) {
    const { said, edit } = watched(t);
    edit(layer, 'backup.control', /^status = OK$/m, `status = ${status}`);
    t.strictSame(await said(), [layer, STATUS], status);
    edit(layer, 'backup.control', /^status = .*$/m, 'status = OK');
    t.strictSame(await said(), [layer, STATUS], `${status}, and OK again`);
  }
});

t.test('another backup in the place of one of the chain', async (t) => {
  for (const [from, to] of [
    [/^start-time = .*$/m, "start-time = '2026-01-01 00:00:00+00'"],
    [/^backup-mode = .*$/m, 'backup-mode = PAGE'],
    [/^parent-backup-id = .*$/m, "parent-backup-id = 'TOP000'"],
    [/$/, "merge-time = '2026-01-01 00:00:00+00'\n"],
    [/^program-version = .*$/m, 'program-version = 2.5.15'],
    [/^content-crc = .*$/m, 'content-crc = 1'],
    [/^block-size = .*$/m, 'block-size = x'],
  ] as const) {
    const { said, edit, path } = watched(t);
    const before = readFileSync(path(1, 'backup.control'));
    edit(1, 'backup.control', from, to);
    t.strictSame(await said(), [1, OTHER], to);
    writeFileSync(path(1, 'backup.control'), before);
    t.strictSame(await said(), [1, OTHER], `${to}, and as it was`);
  }
});

t.test('what is away for a while is no lasting change', async (t) => {
  for (const [name, change] of [
    ['backup.control', GONE],
    [LIST, OTHER_LIST],
    [MAP, OTHER_MAP],
  ] as const) {
    const { said, path } = watched(t);
    renameSync(path(1, name), path(1, 'kept'));
    t.strictSame(await said(), [1, change], `${name} gone`);
    renameSync(path(1, 'kept'), path(1, name));
    t.equal(await said(), null, `${name} again there`);
  }
  const { said, path } = watched(t);
  renameSync(path(2, ''), `${path(2, '')}.kept`);
  writeFileSync(path(2, '').replace(/\/$/, ''), '');
  t.strictSame(await said(), [2, GONE], 'a file in the place of the directory');
});

t.test('a list is judged by its content, a header map by its file', async (t) => {
  const time = 1000;
  const { said, path, edit } = watched(t, ({ path }) => {
    for (const file of [path(0, LIST), path(1, MAP)]) utimesSync(file, time, time);
  });
  const text = readFileSync(path(0, LIST), 'latin1');
  for (const [what, changed] of [
    ['of the same length', text.replace('"size"', '"sise"')],
    ['longer', `${text}\n`],
  ] as const) {
    writeFileSync(path(0, 'new'), changed, 'latin1');
    utimesSync(path(0, 'new'), time, time);
    renameSync(path(0, 'new'), path(0, LIST));
    t.strictSame(await said(), [0, OTHER_LIST], `another file, ${what}, with the same time`);
  }
  writeFileSync(path(0, LIST), text, 'latin1');
  t.equal(await said(), null, 'written anew, the same');
  edit(0, LIST, /"size"/, '"sise"');
  t.strictSame(await said(), [0, OTHER_LIST], 'in its place, of the same length');
  writeFileSync(path(0, LIST), text, 'latin1');

  writeFileSync(path(1, MAP), Buffer.alloc(1), { flag: 'a' });
  utimesSync(path(1, MAP), time, time);
  t.strictSame(await said(), [1, OTHER_MAP], 'a longer header map with the same time');
});

t.test('a header map where there was none, and a list of which no checksum is recorded', async (t) => {
  const { said, path, edit } = watched(t, ({ path, edit }) => {
    rmSync(path(0, MAP));
    edit(1, 'backup.control', /^content-crc = .*\n/m, '');
  });
  t.equal(await said(), null);
  edit(1, LIST, /^/, '');
  t.equal(await said(), null, 'the same list');
  edit(1, LIST, /"size"/, '"sise"');
  t.strictSame(await said(), [1, OTHER_LIST]);
  writeFileSync(path(0, MAP), '');
  t.strictSame(await said(), [0, OTHER_MAP]);
});

t.test('a catalog that cannot be looked at says nothing about what it holds', async (t) => {
  const { said, path } = watched(t);
  for (const name of ['backup.control', LIST]) {
    renameSync(path(1, name), path(1, 'kept'));
    symlinkSync(name, path(1, name));
    await t.rejects(said(), { code: 'ELOOP' });
    rmSync(path(1, name));
    renameSync(path(1, 'kept'), path(1, name));
  }
  t.equal(await said(), null);
});
