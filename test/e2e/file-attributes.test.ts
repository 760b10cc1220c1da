// Attributes of mounted files: block size, links, inode numbers; sizes after copy-up and remount.

import {
  appendFileSync,
  closeSync,
  fstatSync,
  linkSync,
  lstatSync,
  openSync,
  renameSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { mountCatalog, mountMissing } from '../support/mount.js';
import { listTree, sha256OfFile } from '../support/tree.js';
import { smallStream } from './targets.js';

t.test('block size, link counts, stable 64-bit inode numbers (trap 25)', { skip: mountMissing }, async (t) => {
  const { mountpoint } = await mountCatalog(t, await smallStream(t));
  const at = (path: string) => join(mountpoint, path);
  const inodes = new Map<number, string>();
  const wrong: string[] = [];
  for (const [path, { type }] of listTree(mountpoint)) {
    const stat = lstatSync(Buffer.from(`${mountpoint}/${path}`, 'latin1'));
    if (stat.blksize < 8192) wrong.push(`${path}: st_blksize ${stat.blksize}`);
    if (type === 'file' && stat.nlink !== 1) wrong.push(`${path}: st_nlink ${stat.nlink}`);
    if (type === 'directory' && stat.nlink < 2 && stat.nlink !== 1) wrong.push(`${path}: st_nlink ${stat.nlink}`);
    const other = inodes.get(stat.ino);
    if (other !== undefined) wrong.push(`${path}: inode of ${other}`);
    inodes.set(stat.ino, path);
  }
  t.strictSame(wrong, []);

  const { ino } = statSync(at('PG_VERSION'));
  const fd = openSync(at('PG_VERSION'), 'r+');
  appendFileSync(fd, 'more');
  renameSync(at('PG_VERSION'), at('renamed'));
  t.equal(fstatSync(fd).ino, ino, 'the same inode after copy-up and rename');
  t.equal(statSync(at('renamed')).ino, ino);
  linkSync(at('renamed'), at('linked'));
  t.match(statSync(at('linked')), { ino, nlink: 2 });
  closeSync(fd);
});

t.test('after copy-up and remount every size and content matches (trap 38)', { skip: mountMissing }, async (t) => {
  const mount = await mountCatalog(t, await smallStream(t));
  const at = (path: string) => join(mount.mountpoint, path);
  const files = [...listTree(mount.mountpoint)].filter(([, { type, size }]) => type === 'file' && size > 0);
  const chosen = files.filter((_, index) => index % 7 === 0).map(([path]) => path);
  const changes = [
    (path: string) => appendFileSync(path, 'x'),
    (path: string) => truncateSync(path, Math.ceil(statSync(path).size / 2)),
    (path: string) => writeFileSync(path, 'first bytes', { flag: 'r+' }),
    (path: string) => truncateSync(path, statSync(path).size + 10_000),
  ];
  for (const [index, path] of chosen.entries()) changes[index % changes.length](at(path));
  const contents = () =>
    [...listTree(mount.mountpoint)]
      .filter(([, { type }]) => type === 'file')
      .map(([path, { size, mode }]) => `${path} ${mode} ${size} ${sha256OfFile(mount.mountpoint, path)}`);
  const before = contents();
  await mount.unmount();
  await mount.remount();
  t.strictSame(contents(), before);
});
