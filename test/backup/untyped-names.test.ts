// A catalog on a file system that does not say in a listing what a name is (ext4 and XFS made without that, some FUSE servers).

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { openCatalog } from '../../src/backup/index.js';
import { umount2 } from '../../src/sys/libc.js';
import { diskMissing } from '../support/forgetful-disk.js';
import type { Teardown } from '../support/postgres.js';
import { writeSmallCatalog } from '../support/small-catalog.js';
import { swept } from '../support/swept.js';

/** A directory of an ext4 without the types of names. */
function untypedDirectory(t: Teardown): string {
  const base = swept(mkdtempSync(join(tmpdir(), 'pbkfs-untyped-')));
  t.teardown(() => rmSync(base, { recursive: true, force: true }));
  const image = join(base, 'image');
  const disk = join(base, 'disk');
  mkdirSync(disk);
  execFileSync('truncate', ['-s', '8M', image]);
  execFileSync('mkfs.ext4', ['-q', '-F', '-O', '^filetype', image]);
  execFileSync('mount', ['-o', 'loop', image, disk]);
  t.teardown(() => umount2(disk));
  return disk;
}

t.test('instances and backups are found where names come without their types', { skip: diskMissing('ext4') }, (t) => {
  const root = writeSmallCatalog(join(untypedDirectory(t), 'catalog'));
  const backups = join(root, 'backups');
  writeFileSync(join(backups, 'README'), 'no instance');
  symlinkSync('main', join(backups, 'link'));
  writeFileSync(join(backups, 'main', 'note'), 'no backup');
  const catalog = openCatalog(root);
  t.strictSame(catalog.instances(), ['main']);
  t.equal(catalog.backups('main').length, 3);
  t.end();
});
