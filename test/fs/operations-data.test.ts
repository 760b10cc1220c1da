// Operations on data whose rules random sequences of calls do not reach, in files of the backup and in new ones, also
// after a remount.

import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { mountMissing } from '../support/mount.js';
import { run } from '../support/run.js';
import { lseek, Mapping, SEEK_DATA, SEEK_HOLE, xattr } from '../support/system-calls.js';
import { BASE, BLOCK, base, contents, Places } from './places.js';

t.test('operations on data', { skip: mountMissing }, async (t) => {
  const places = await Places.mounted(t);
  const { mount } = places;

  t.test('no extended attributes, and no request for them at a write (trap 23)', async (t) => {
    const place = places.take();
    const path = place.path('base/1/raw');
    for (const name of ['user.x', 'security.x', 'trusted.x'])
      t.throws(() => xattr.set(path, name), { code: 'ENOTSUP' }, name);
    t.throws(() => xattr.get(path, 'user.x'), { code: 'ENOTSUP' });
    t.throws(() => xattr.remove(path, 'user.x'), { code: 'ENOTSUP' });
    t.throws(() => xattr.list(path), { code: 'ENOTSUP' });
    const others = (): number => JSON.parse(fs.readFileSync(mount.path('.pbkfs/stat'), 'utf8')).counters.otherRequest;
    const fd = fs.openSync(path, 'r+');
    const before = others();
    for (let n = 0; n < 50; n++) fs.writeSync(fd, Buffer.alloc(100, n), 0, 100, n * 100);
    t.equal(others(), before);
    fs.closeSync(fd);
  });

  t.test('what is written through a mapping is in the file', async (t) => {
    const place = places.take();
    fs.writeFileSync(place.path('new'), Buffer.alloc(3 * BLOCK, 1));
    const wanted = new Map([...BASE, 'new'].map((name) => [name, fs.readFileSync(place.path(name))]));
    for (const [name, content] of wanted) {
      const fd = fs.openSync(place.path(name), 'r+');
      const mapping = new Mapping(fd, content.length);
      t.ok(mapping.read().equals(content), `${name} through the mapping`);
      content.fill(7, BLOCK - 100, BLOCK + 100);
      content.write('the end', content.length - 7);
      mapping.write(content);
      // Another one's write, beside it.
      fs.writeSync(fd, 'beside', 10);
      content.write('beside', 10);
      t.ok(mapping.read().equals(content), 'a write shows in the mapping');
      fs.closeSync(fd);
      mapping.sync();
      const direct = execFileSync('dd', [`if=${place.path(name)}`, 'bs=1M', 'iflag=direct', 'status=none']);
      t.ok(direct.equals(content), 'and the mapping in a read past all caches');
      // Nothing tells the mount that the last user has gone: the kernel writes back when it likes.
      content.fill(8, 0, 5);
      mapping.write(content);
      mapping.close();
    }
    const gone = fs.openSync(place.path('base/1/small'), 'r+');
    const orphan = new Mapping(gone, 100);
    fs.unlinkSync(place.path('base/1/small'));
    fs.closeSync(gone);
    orphan.write(Buffer.alloc(100, 9));
    orphan.sync();
    t.ok(orphan.read().equals(Buffer.alloc(100, 9)), 'also of a file without a name and without a descriptor');
    orphan.close();
    place.twice(t, (t) => {
      for (const [name, content] of wanted) t.ok(fs.readFileSync(place.path(name)).equals(content), name);
    });
  });

  t.test('O_DIRECT and the page cache see the same bytes', async (t) => {
    const place = places.take();
    fs.writeFileSync(place.path('new'), Buffer.alloc(5000, 1));
    const wanted = new Map([...BASE, 'new'].map((name) => [name, fs.readFileSync(place.path(name))]));
    const source = join(mount.base, 'source');
    fs.writeFileSync(source, Buffer.alloc(4096, 'direct '));
    for (const [name, content] of wanted) {
      const path = place.path(name);
      // Into the middle of a block, over what the cache has, and 4 KiB beyond the end.
      for (const block of [1, Math.ceil(content.length / 4096)]) {
        execFileSync('dd', [
          `if=${source}`,
          `of=${path}`,
          'bs=4k',
          `seek=${block}`,
          'conv=notrunc',
          'oflag=direct',
          'status=none',
        ]);
      }
      const grown = Buffer.alloc((Math.ceil(content.length / 4096) + 1) * 4096);
      content.copy(grown);
      for (const at of [4096, grown.length - 4096]) fs.readFileSync(source).copy(grown, at);
      wanted.set(name, grown);
      t.ok(fs.readFileSync(path).equals(grown), `${name}: what went past the cache`);
      const fd = fs.openSync(path, 'r+');
      fs.writeSync(fd, 'cached', 6000);
      fs.closeSync(fd);
      grown.write('cached', 6000);
      const direct = execFileSync('dd', [`if=${path}`, 'bs=4k', 'iflag=direct', 'status=none']);
      t.ok(direct.equals(grown), `${name}: what went through it`);
    }
    place.twice(t, (t) => {
      for (const [name, content] of wanted) t.ok(fs.readFileSync(place.path(name)).equals(content), name);
    });
  });

  t.test('O_APPEND: writers at the same time lose nothing of each other', async (t) => {
    const place = places.take();
    const [writers, lines] = [4, 250];
    const loop = `i=0; while [ $i -lt ${lines} ]; do echo "$1 $i" >> "$2"; i=$((i+1)); done`;
    for (const name of ['base/1/raw', 'base/1/new']) {
      const all = Array.from({ length: writers }, (_, n) => run('sh', ['-c', loop, 'sh', String(n), place.path(name)]));
      for (const writer of all) t.match(await writer, { status: 0, stderr: '' });
    }
    const each = Array.from({ length: writers }, (_, n) => Array.from({ length: lines }, (_, i) => `${n} ${i}`));
    place.twice(t, (t) => {
      for (const name of ['base/1/raw', 'base/1/new']) {
        const before = contents.get(name) ?? Buffer.alloc(0);
        const content = fs.readFileSync(place.path(name));
        t.ok(content.subarray(0, before.length).equals(before), `${name}: what was there`);
        const appended = content.toString('latin1', before.length).trimEnd().split('\n');
        for (const [n, wanted] of each.entries())
          t.strictSame(
            appended.filter((line) => line.startsWith(`${n} `)).join(),
            wanted.join(),
            `${name}: writer ${n}`,
          );
        t.equal(appended.length, writers * lines);
      }
    });
  });

  t.test('the whole file is data for lseek, and a sparse copy loses nothing (trap 23)', async (t) => {
    const place = places.take();
    for (const name of BASE) {
      const path = place.path(name);
      const fd = fs.openSync(path, 'r+');
      // The object in the diff is sparse from now on: one block of several.
      fs.writeSync(fd, 'x', BLOCK);
      const { size } = fs.fstatSync(fd);
      t.equal(lseek(fd, 0, SEEK_DATA), 0);
      t.equal(lseek(fd, 2 * BLOCK, SEEK_DATA), 2 * BLOCK);
      t.equal(lseek(fd, 0, SEEK_HOLE), size);
      t.throws(() => lseek(fd, size, SEEK_DATA), { code: 'ENXIO' });
      fs.closeSync(fd);
      const wanted = base(name);
      wanted.write('x', BLOCK);
      const copy = join(mount.base, 'copy');
      execFileSync('cp', ['--sparse=always', path, copy]);
      t.ok(fs.readFileSync(copy).equals(wanted), name);
    }
    const directory = fs.openSync(place.path('base/1'), 'r');
    fs.fsyncSync(directory);
    fs.closeSync(directory);
    const { blocks, bsize, type } = fs.statfsSync(mount.mountpoint);
    t.match({ blocks: fs.statfsSync(mount.diff).blocks, bsize: fs.statfsSync(mount.diff).bsize }, { blocks, bsize });
    t.equal(type, 0x65735546, 'FUSE');
  });

  t.test('all of it after a remount', (t) => places.again(t, 3));
});
