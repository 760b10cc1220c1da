// What a person learns of damage in the catalog of a mount: the reader gets EIO, log and metrics name backup, file, block
// and kind, the rest of the mount goes on.

import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { backupIdOf } from '../../src/backup/index.js';
import { startTime } from '../support/catalog-writer.js';
import { mountCatalog, mountMissing, pbkfs } from '../support/mount.js';
import { smallFiles, writeSmallCatalog } from '../support/small-catalog.js';
import { temporaryDirectory } from '../support/swept.js';

function flip(file: string, at: number): void {
  const bytes = readFileSync(file);
  bytes[at]! ^= 0x10;
  writeFileSync(file, bytes);
}

t.test('a refused page and a refused raw file are named in log and metrics', { skip: mountMissing }, async (t) => {
  const directory = temporaryDirectory('pbkfs-refused-');
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const catalog = writeSmallCatalog(join(directory, 'catalog'));
  const stored = (n: number, name: string) => join(catalog, 'backups/main', backupIdOf(startTime(n)), 'database', name);
  const [full, , target] = [1, 2, 3].map((n) => backupIdOf(startTime(n)));
  // Block 1 of an uncompressed stream, and a byte of a raw file.
  flip(stored(1, 'base/2/200'), 8 + 8192 + 8 + 4000);
  flip(stored(3, 'base/1/raw'), 19_999);
  const mount = await mountCatalog(t, { catalog, instance: 'main', backup: 'latest' });
  const at = (name: string) => join(mount.mountpoint, name);

  t.throws(() => readFileSync(at('base/2/200')), { code: 'EIO' });
  t.throws(() => readFileSync(at('base/1/raw')), { code: 'EIO' });
  t.ok(readFileSync(at('base/1/100')).equals(smallFiles.get('base/1/100')!), 'the rest goes on');

  const log = readFileSync(join(mount.diff, 'pbkfs.log'), 'utf8');
  t.match(log, new RegExp(`ERROR READ .*backup ${full}, file ${stored(1, 'base/2/200')}: block 1: .*checksum`));
  t.match(log, new RegExp(`ERROR READ .*backup ${target}, file ${stored(3, 'base/1/raw')}: it has CRC`));
  const metrics = readFileSync(at('.pbkfs/metrics'), 'utf8');
  const value = (name: string, ...labels: string[]): number => {
    const line = metrics
      .split('\n')
      .find((text) => text.startsWith(`${name}{`) && labels.every((l) => text.includes(l)));
    return Number(line?.split(' ').at(-1) ?? 0);
  };
  t.ok(value('pbkfs_verify_failures_total', 'kind="page"') >= 1, 'counted by kind');
  t.ok(value('pbkfs_verify_failures_total', 'kind="raw"') >= 1);
  t.ok(
    value('pbkfs_refused_place', 'kind="page"', `backup="${full}"`, `file="${stored(1, 'base/2/200')}"`, 'block="1"') >=
      1,
  );
  t.ok(
    value('pbkfs_refused_place', 'kind="raw"', `backup="${target}"`, `file="${stored(3, 'base/1/raw')}"`, 'block=""') >=
      1,
  );

  const info = await pbkfs(['info', mount.mountpoint, '--file', 'base/2/200', '--block', '1']);
  t.match(`${info.stdout}${info.stderr}`, new RegExp(`${full}.*checksum`), 'info says what is wrong with that block');
  await mount.unmount();
});

t.test('a pipe in the place of a stored file is refused, not waited for', { skip: mountMissing }, async (t) => {
  const directory = temporaryDirectory('pbkfs-refused-');
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const catalog = writeSmallCatalog(join(directory, 'catalog'));
  const [full, , target] = [1, 2, 3].map((n) =>
    join(catalog, 'backups/main', backupIdOf(startTime(n)), 'database'),
  ) as [string, string, string];
  const pipes = [join(full, 'base/2/200'), join(target, 'base/1/raw')];
  for (const pipe of pipes) rmSync(pipe);
  execFileSync('mkfifo', pipes);
  const mount = await mountCatalog(t, { catalog, instance: 'main', backup: 'latest' });
  for (const name of ['base/2/200', 'base/1/raw']) {
    const read = spawnSync('cat', [join(mount.mountpoint, name)], { timeout: 20_000, encoding: 'utf8' });
    t.match(read.stderr, /Input\/output error/, name);
  }
  const log = readFileSync(join(mount.diff, 'pbkfs.log'), 'utf8');
  for (const pipe of pipes) t.match(log, `file ${pipe}: it is not a plain file`);
  await mount.unmount();
});
