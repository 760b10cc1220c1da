// One thread's open files: bounded, the least recently used goes first, everything can be opened again.

import fs, { readdirSync, readSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import t from 'tap';
import { CachedFile, FdCache } from '../../../src/overlay/data/fd-cache.js';

const openFiles = () => readdirSync('/proc/self/fd').length;

t.test('no more than the limit are open, and each reads its own file', async (t) => {
  const directory = t.testdir({});
  const files = Array.from({ length: 10 }, (_, i) => {
    writeFileSync(`${directory}/${i}`, String(i));
    return new CachedFile(Buffer.from(`${directory}/${i}`), 0);
  });
  const seen = { hit: 0, miss: 0 };
  const cache = new FdCache(3, { hit: () => void seen.hit++, miss: () => void seen.miss++ });
  const before = openFiles();
  for (let round = 0; round < 50; round++) {
    const i = (round * 7) % 10;
    const out = Buffer.alloc(1);
    readSync(cache.fd(files[i]), out, 0, 1, 0);
    t.equal(out.toString(), String(i));
    t.ok(openFiles() <= before + 3);
  }
  t.equal(seen.hit + seen.miss, 50);
  cache.closeAll();
  t.equal(openFiles(), before, 'closeAll closes all');
});

t.test('the least recently used is closed first', async (t) => {
  const directory = t.testdir({ a: '', b: '', c: '' });
  const [a, b, c] = ['a', 'b', 'c'].map((name) => new CachedFile(Buffer.from(`${directory}/${name}`), 0));
  const cache = new FdCache(2, { hit: () => undefined, miss: () => undefined });
  cache.fd(a);
  cache.fd(b);
  cache.fd(a);
  cache.fd(c);
  t.ok(a.fd >= 0);
  t.equal(b.fd, -1);
  t.ok(c.fd >= 0);
  cache.closeAll();
});

t.test('a file that cannot be opened leaves no trace', async (t) => {
  const cache = new FdCache(2, { hit: () => undefined, miss: () => undefined });
  const missing = new CachedFile(Buffer.from(`${t.testdir({})}/missing`), 0);
  t.throws(() => cache.fd(missing), { code: 'ENOENT' });
  t.equal(missing.fd, -1);
  cache.close(missing);
});

t.test('a file whose close fails, as on NFS, is opened again and never read through the number it had', async (t) => {
  const directory = t.testdir({ a: 'a', b: 'b', c: 'c' });
  const [a, b, c] = ['a', 'b', 'c'].map((name) => new CachedFile(Buffer.from(`${directory}/${name}`), 0));
  const cache = new FdCache(1, { hit: () => undefined, miss: () => undefined });
  cache.fd(a);
  const { closeSync } = fs;
  Object.assign(fs, {
    closeSync: (fd: number) => {
      closeSync(fd);
      throw Object.assign(new Error('EIO'), { code: 'EIO' });
    },
  });
  syncBuiltinESMExports();
  t.ok(cache.fd(b) >= 0, 'whose room it was is not told');
  Object.assign(fs, { closeSync });
  syncBuiltinESMExports();
  cache.fd(c);
  const out = Buffer.alloc(1);
  readSync(cache.fd(a), out, 0, 1, 0);
  t.equal(out.toString(), 'a');
  cache.closeAll();
});
