import { mkdirSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { byteString, displayPath } from '../../src/backup/byte-path.js';
import { isWithin, resolveFuture, resolveMountpoint } from '../../src/mount/paths.js';
import { temporaryDirectory } from '../support/swept.js';

t.test('resolves-links-of-parents-and-of-the-mount-point-itself', async (t) => {
  const base = realpathSync(temporaryDirectory('pbkfs-paths-'));
  t.teardown(() => rmSync(base, { recursive: true }));
  mkdirSync(join(base, 'real', 'mnt'), { recursive: true });
  symlinkSync('real', join(base, 'parent'));
  symlinkSync('parent/mnt', join(base, 'link'));
  const real = join(base, 'real', 'mnt');
  t.equal(resolveMountpoint(join(base, 'parent', 'mnt')), real);
  t.equal(resolveMountpoint(`${join(base, 'link')}/`), real);
  t.equal(resolveMountpoint(join(base, 'real', 'missing')), join(base, 'real', 'missing'));
  t.throws(() => resolveMountpoint(join(base, 'no', 'where')), { code: 'ENOENT' });
  t.equal(resolveFuture(join(base, 'parent', 'new', 'diff')), join(base, 'real', 'new', 'diff'));
  symlinkSync('loop', join(base, 'loop'));
  t.type(resolveMountpoint(join(base, 'loop')), 'string', 'a loop of links ends');
});

t.test('within-compares-whole-names', async (t) => {
  t.ok(isWithin('/a/b', '/a/b'));
  t.ok(isWithin('/a/b', '/a/b/c'));
  t.notOk(isWithin('/a/b', '/a/bc'));
  t.ok(isWithin('/', '/a'));
});

t.test('bytes-and-text-are-inverse', async (t) => {
  t.equal(displayPath(byteString('/mnt/точка')), '/mnt/точка');
});
