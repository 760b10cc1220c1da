// Every operation on names with its errors, through the overlay without a kernel.

import { readdirSync } from 'node:fs';
import t from 'tap';
import { S_IFMT } from '../../../src/overlay/namespace/inode.js';
import { DirectOverlay, RENAME_EXCHANGE } from '../../support/direct-overlay.js';
import { scratchDirectory, smallFiles, writeSmallCatalog } from '../../support/small-catalog.js';

const root = scratchDirectory();
const catalog = writeSmallCatalog(`${root}/catalog`);
let diffs = 0;
const mount = (diff = `${root}/diff${diffs++}`) => new DirectOverlay({ catalog, diff });

t.test('each operation refuses with the errno of Linux', async (t) => {
  const direct = mount();
  const long = 'x'.repeat(256);
  const file = 'base/1/raw';
  const cases: [code: string, what: string, act: () => unknown][] = [
    ['ENOENT', 'stat', () => direct.stat('base/none')],
    ['ENOTDIR', 'stat below a file', () => direct.stat(`${file}/x`)],
    ['ENAMETOOLONG', 'stat of a long name', () => direct.stat(long)],
    ['EISDIR', 'open of a directory', () => direct.open('base')],
    ['ENOTDIR', 'readdir of a file', () => direct.readdir(file)],
    ['EEXIST', 'create over a file', () => direct.create(file)],
    ['EEXIST', 'create over a directory', () => direct.create('base/1')],
    ['ENOENT', 'create in nothing', () => direct.create('none/x')],
    ['ENAMETOOLONG', 'create of a long name', () => direct.create(long)],
    ['EEXIST', 'mkdir', () => direct.mkdir('base/1')],
    ['EEXIST', 'mkdir over a link', () => direct.mkdir('pg_tblspc/16385')],
    ['ENOENT', 'rmdir', () => direct.rmdir('base/none')],
    ['ENOTDIR', 'rmdir of a file', () => direct.rmdir(file)],
    ['ENOTEMPTY', 'rmdir of a full directory', () => direct.rmdir('base/1')],
    ['ENOENT', 'unlink', () => direct.unlink('base/none')],
    ['EISDIR', 'unlink of a directory', () => direct.unlink('base/1')],
    ['EEXIST', 'symlink', () => direct.symlink('x', file)],
    ['EINVAL', 'readlink of a file', () => direct.readlink(file)],
    ['EPERM', 'link of a directory', () => direct.link('base/1', 'base/7')],
    ['EEXIST', 'link', () => direct.link(file, 'PG_VERSION')],
    ['ENOENT', 'rename', () => direct.rename('base/none', 'x')],
    ['EISDIR', 'rename of a file over a directory', () => direct.rename(file, 'base/5')],
    ['ENOTDIR', 'rename of a directory over a file', () => direct.rename('base/5', file)],
    ['ENOTEMPTY', 'rename over a full directory', () => direct.rename('base/5', 'base/1')],
    ['ENOENT', 'exchange with nothing', () => direct.rename(file, 'none', RENAME_EXCHANGE)],
    ['EINVAL', 'rename with unknown flags', () => direct.rename(file, 'x', 8)],
    ['EPERM', 'creating the hidden directory', () => direct.mkdir('.pbkfs')],
    ['EPERM', 'a name in the hidden directory', () => direct.create('.pbkfs/x')],
    ['EPERM', 'a tablespace directory', () => direct.rmdir('.pbkfs/tablespaces/16385')],
    ['EPERM', 'chmod of a status file', () => direct.chmod('.pbkfs/stat', 0o777)],
    ['EPERM', 'writing to a status file', () => direct.write('.pbkfs/stat', 0, Buffer.from('x'))],
  ];
  for (const [code, what, act] of cases) t.throws(act, { code }, `${what}: ${code}`);
  t.ok(direct.readAll(file).equals(smallFiles.get(file)!), 'and nothing changed');
  direct.close();
});

t.test('nothing can be made in a directory that was removed while it is in use', async (t) => {
  const direct = mount();
  const { namespace } = direct.overlay;
  const directory = namespace.lookup(namespace.lookup(namespace.root, 'base')!, '5')!;
  namespace.reference(directory);
  direct.rmdir('base/5');
  t.throws(() => namespace.mkdir(directory, 'x', 0o700, { uid: 0, gid: 0 }), { code: 'ENOENT' });
  t.equal(namespace.attributes(directory).nlink, 0);
  direct.overlay.forget(directory.row, directory.generation, 1);
  direct.close();
});

t.test('a stale nodeid is ESTALE', async (t) => {
  const direct = mount();
  t.throws(() => direct.overlay.inode(77, 0), { code: 'ESTALE' });
  const { row, generation } = direct.open('PG_VERSION').inode;
  t.throws(() => direct.overlay.inode(row, generation + 1), { code: 'ESTALE' });
  direct.close();
});

t.test('links, fifos and set-gid directories are kept', async (t) => {
  const diff = `${root}/diff${diffs++}`;
  let direct = mount(diff);
  direct.symlink('to/nowhere \xff', 'base/link');
  direct.mknod('base/fifo', 0o010640);
  direct.mkdir('base/group', 0o2770);
  direct.chown('base/group', 5, 4242);
  direct.mkdir('base/group/below');
  direct.create('base/group/file').close();
  for (const end of ['kill', 'close', 'close'] as const) {
    t.equal(direct.readlink('base/link'), 'to/nowhere \xff');
    t.equal(direct.stat('base/link').size, 12);
    t.equal(direct.stat('base/fifo').mode, 0o010640);
    t.same([direct.stat('base/group/below').mode & 0o7777, direct.stat('base/group/below').gid], [0o2700, 4242]);
    t.equal(direct.stat('base/group/file').gid, 4242);
    direct[end]();
    direct = mount(diff);
  }
  direct.close();
});

t.test('the link of a tablespace can be changed like any link, without touching the tablespace', async (t) => {
  const diff = `${root}/diff${diffs++}`;
  let direct = mount(diff);
  const inside = 'pg_tblspc/16385/PG_15_202209061/5/300';
  const directory = { ...direct.stat('.pbkfs/tablespaces/16385') };
  direct.chown('pg_tblspc/16385', 77, 88);
  direct.utimens('pg_tblspc/16385', { mtime: [5, 6] });
  for (const end of ['kill', 'close', 'close'] as const) {
    const link = direct.stat('pg_tblspc/16385');
    t.same([link.mode & S_IFMT, link.uid, link.gid, link.mtime], [0o120000, 77, 88, 5], 'the link changed');
    t.same({ ...direct.stat('.pbkfs/tablespaces/16385') }, directory, 'the directory did not');
    t.ok(direct.readAll(inside).equals(smallFiles.get(inside)!));
    direct[end]();
    direct = mount(diff);
  }
  direct.write(inside, 0, Buffer.alloc(10, 3));
  direct.unlink(inside);
  direct.rmdir('pg_tblspc/16385/PG_15_202209061/5');
  direct.rmdir('pg_tblspc/16385/PG_15_202209061');
  direct.unlink('pg_tblspc/16385');
  t.same([...direct.readdir('pg_tblspc').keys()], [], 'DROP TABLESPACE works');
  direct.close();
});

t.test('a link in pg_tblspc that leads out of the mount is refused, however it gets there', async (t) => {
  const direct = mount();
  t.throws(() => direct.symlink('/production', 'pg_tblspc/20000'), { code: 'EPERM' });
  t.ok(
    direct.warnings.some((line) => line.includes('/production')),
    'and the log says so',
  );
  direct.symlink('/production', 'base/link');
  t.throws(() => direct.rename('base/link', 'pg_tblspc/20000'), { code: 'EPERM' });
  t.throws(() => direct.link('base/link', 'pg_tblspc/20000'), { code: 'EPERM' });
  t.throws(() => direct.rename('pg_tblspc/16385', 'base/link', RENAME_EXCHANGE), { code: 'EPERM' });
  direct.symlink('/mnt/direct/space', 'pg_tblspc/20001');
  direct.symlink('../space', 'pg_tblspc/20002');
  direct.close();
});

t.test('where a directory of the mount stands ready, the link of a replayed tablespace leads there', async (t) => {
  const diff = `${root}/diff${diffs++}`;
  let direct = mount(diff);
  t.throws(() => direct.mkdir('.pbkfs/tablespaces/name'), { code: 'EPERM' });
  t.throws(() => direct.mkdir('.pbkfs/20000'), { code: 'EPERM' });
  t.throws(() => direct.create('.pbkfs/tablespaces/20000'), { code: 'EPERM' });
  direct.mkdir('.pbkfs/tablespaces/20000');
  direct.mkdir('.pbkfs/tablespaces/20000/PG_15');
  direct.symlink('/production', 'pg_tblspc/20000');
  t.throws(() => direct.symlink('/production', 'pg_tblspc/20001'), { code: 'EPERM' });
  direct.symlink('/production', 'base/link');
  direct.unlink('pg_tblspc/20000');
  t.throws(() => direct.rename('base/link', 'pg_tblspc/20000'), { code: 'EPERM' }, 'one that is there leads out');
  direct.symlink('/production', 'pg_tblspc/20000');
  direct.close();
  direct = mount(diff);
  t.equal(direct.readlink('pg_tblspc/20000'), '../.pbkfs/tablespaces/20000');
  t.ok(direct.readdir('.pbkfs/tablespaces/20000').has('PG_15'));
  direct.close();
});

t.test('a storm of files leaves inode rows and objects flat (trap 28)', async (t) => {
  const diff = `${root}/diff${diffs++}`;
  const direct = mount(diff);
  const rows = direct.overlay.namespace.rows.live;
  const memory = direct.shared.arena.bytesInUse();
  for (let n = 0; n < 300; n++) {
    direct.create(`base/t${n}`).close();
    direct.write(`base/t${n}`, 0, Buffer.alloc(100, 1));
    direct.unlink(`base/t${n}`);
  }
  direct.write('base/1/100', 0, Buffer.alloc(100, 1));
  direct.unlink('base/1/100');
  direct.dropCaches();
  t.equal(direct.overlay.namespace.rows.live, rows);
  t.equal(direct.shared.arena.bytesInUse(), memory);
  t.same(readdirSync(`${diff}/objects`), []);
  direct.close();
});
