// Mounts of long content lists keep a digest, and show the same with it and without.

import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { writeLists } from '../../../bench/catalog/million.js';
import { isMounted, mountMissing, pbkfs } from '../../support/mount.js';

t.setTimeout(300_000);

/** Their lists have some 9 MB together. */
const FILES = 20_000;

t.test('a second mount by the digest of the first', { skip: mountMissing }, async (t) => {
  const base = t.testdir();
  const [catalog, mountpoint, cache] = [join(base, 'catalog'), join(base, 'mount'), join(base, 'cache')];
  for (const directory of [catalog, mountpoint, cache]) mkdirSync(directory);
  const target = writeLists({ catalog, instance: 'main', files: FILES, backups: 2 });
  const lists = readdirSync(join(catalog, 'backups/main'))
    .map((name) => join(catalog, 'backups/main', name, 'backup_content.control'))
    .filter((list) => existsSync(list));
  // A digest is made only when the lists have not just been written.
  const newest = Math.max(...lists.map((list) => statSync(list).ctimeMs));
  while (Date.now() <= newest + 2100) await sleep(50);
  t.teardown(async () => {
    if (isMounted(mountpoint)) await pbkfs(['unmount', '-D', mountpoint]);
  });
  const digests = (): string[] => (existsSync(join(cache, 'pbkfs')) ? readdirSync(join(cache, 'pbkfs')) : []);

  /** Names, lengths and modes as a mount shows them. */
  const shown = async (...options: string[]): Promise<string[]> => {
    const where = ['-B', target.catalog, '-I', 'main', '-i', 'latest', '-D', mountpoint, '--read-only'];
    t.match(await pbkfs(['mount', ...where, ...options], { XDG_CACHE_HOME: cache }), { status: 0, stderr: '' });
    const entries = readdirSync(mountpoint, { recursive: true, encoding: 'utf8' }).map((name) => {
      const { size, mode } = statSync(join(mountpoint, name));
      return `${name} ${size} ${mode}`;
    });
    t.match(await pbkfs(['unmount', '-D', mountpoint]), { status: 0 });
    return entries.sort();
  };

  const plain = await shown('--no-list-cache');
  t.ok(plain.length > FILES);
  t.same(digests(), []);
  t.same(await shown(), plain, 'the first mount');
  const [name, ...others] = digests();
  t.same(others, []);
  const file = join(cache, 'pbkfs', name!);
  const { ino } = statSync(file);
  utimesSync(file, 1, 1);
  t.same(await shown(), plain, 'by the digest');
  t.equal(statSync(file).ino, ino);
  t.ok(statSync(file).mtimeMs > 1000, 'which was used');

  const good = readFileSync(file);
  good[good.length >> 1]! ^= 1;
  writeFileSync(file, good);
  t.same(await shown(), plain, 'by a damaged digest');
  t.not(statSync(file).ino, ino, 'it was replaced');

  utimesSync(lists[0]!, 5, 5);
  const changed = statSync(lists[0]!).ctimeMs;
  while (Date.now() <= changed + 2100) await sleep(50);
  const replaced = statSync(file).ino;
  t.same(await shown(), plain, 'after a list was touched');
  t.not(statSync(file).ino, replaced);

  // Root writes everywhere; a file in the place of the directory stops it, too.
  rmSync(cache, { recursive: true });
  writeFileSync(cache, '');
  chmodSync(cache, 0o400);
  t.same(await shown(), plain, 'without a place for one');
});
