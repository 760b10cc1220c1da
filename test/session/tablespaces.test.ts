// Which replayed tablespaces can be given a place of ours, and which cannot.

import { mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { whyNoNamespace } from '../../src/postgres/private-namespace.js';
import { bindingsFor, hasInPlace } from '../../src/session/tablespaces.js';
import { temporaryDirectory } from '../support/swept.js';

const base = temporaryDirectory('pbkfs-spaces-');
t.teardown(() => rmSync(base, { recursive: true }));
mkdirSync(join(base, 'mount'));
mkdirSync(join(base, 'bin'));
mkdirSync(join(base, 'data/one'), { recursive: true });
symlinkSync(join(base, 'data'), join(base, 'link'));

const bindings = (...spaces: [oid: number, path: string][]) =>
  bindingsFor(
    spaces.map(([oid, path]) => ({ lsn: 0x1000028, oid, path })),
    join(base, 'mount'),
    [join(base, 'bin')],
  );
const places = (oid: number) => join(base, 'mount/.pbkfs/tablespaces', String(oid));

t.test('each path leads to its own directory of the mount', { skip: whyNoNamespace() ?? false }, async (t) => {
  const [one, gone] = [join(base, 'data/one'), join(base, 'gone/two')];
  t.strictSame(bindings([16400, one], [16500, gone]), [
    { path: one, directory: places(16400) },
    { path: gone, directory: places(16500) },
  ]);
  t.strictSame(bindings([16400, `${base}/link/../link/one/`]), [{ path: one, directory: places(16400) }], 'links');
  t.strictSame(bindings([16400, one], [16400, one]).length, 1, 'the same record twice');
  t.strictSame(bindings(), []);
});

t.test('what cannot be is refused with the position and the reason', { skip: whyNoNamespace() ?? false }, async (t) => {
  for (const [spaces, why] of [
    [[[1, 'data']], /no absolute path/],
    [[[1, '/']], /the server needs .*mount below it/],
    [[[1, base]], /the server needs .*mount below it/],
    [[[1, join(base, 'bin')]], /the server needs .*bin below it/],
    [[[1, join(base, 'mount/x')]], /it lies on the mount/],
    [
      [
        [1, join(base, 'a')],
        [2, join(base, 'a')],
      ],
      /tablespace 1 was there before/,
    ],
    [
      [
        [1, join(base, 'a')],
        [2, join(base, 'a/b')],
      ],
      /another tablespace lies in/,
    ],
  ] as [[number, string][], RegExp][]) {
    const call = () => bindings(...spaces);
    t.throws(call, { code: 'server_failed', message: why, hint: /choose a target before/ });
    t.throws(call, { message: /would touch .*: at 0\/1000028 tablespace \d is created there, and / });
  }
});

t.test('without root every one is refused', async (t) => {
  const { getuid } = process;
  t.teardown(() => Object.assign(process, { getuid }));
  process.getuid = () => 1000;
  t.throws(() => bindings([1, '/data']), { message: /would touch \/data: .*only root/ });
  t.strictSame(bindings(), [], 'where there are none nothing is asked');
});

t.test('a tablespace in place is a directory that has its number', async (t) => {
  const space = join(t.testdir(), 'pg_tblspc');
  mkdirSync(join(space, '16400_old'), { recursive: true });
  symlinkSync('/data/one', join(space, '16400'));
  t.notOk(hasInPlace(t.testdirName));
  mkdirSync(join(space, '16500'));
  t.ok(hasInPlace(t.testdirName));
});
