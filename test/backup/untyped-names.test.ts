// A catalog on a file system that does not say in a listing what a name is (ext4 and XFS made without that, some FUSE servers).

import { symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openCatalog } from '../../src/backup/index.js';
import { diskMissing } from '../support/forgetful-disk.js';
import { oddDisk } from '../support/odd-disk.js';
import { writeSmallCatalog } from '../support/small-catalog.js';

t.test('instances and backups are found where names come without their types', { skip: diskMissing('ext4') }, (t) => {
  const root = writeSmallCatalog(join(oddDisk(t, 'filetype'), 'catalog'));
  const backups = join(root, 'backups');
  writeFileSync(join(backups, 'README'), 'no instance');
  symlinkSync('main', join(backups, 'link'));
  writeFileSync(join(backups, 'main', 'note'), 'no backup');
  const catalog = openCatalog(root);
  t.strictSame(catalog.instances(), ['main']);
  t.equal(catalog.backups('main').length, 3);
  t.end();
});
