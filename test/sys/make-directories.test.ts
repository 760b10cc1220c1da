import { spawnSync } from 'node:child_process';
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { makeDirectories } from '../../src/sys/make-directories.js';

t.test('makes what is missing, with its mode, and takes what is there', async (t) => {
  const base = t.testdir();
  const deep = join(base, 'a/b/c');
  makeDirectories(deep, 0o700);
  makeDirectories(deep, 0o700);
  t.equal(statSync(deep).mode & 0o777, 0o700);
  t.equal(statSync(join(base, 'a')).mode & 0o777, 0o700);
  makeDirectories('/');
  writeFileSync(join(base, 'file'), '');
  t.throws(() => makeDirectories(join(base, 'file')), { code: 'EEXIST' });
  t.throws(() => makeDirectories(join(base, 'file/below')), { code: 'ENOTDIR' });
});

t.test('comes to an end below a directory that takes no other', async (t) => {
  // In a process of its own, since the loop of Node's own could not be ended from inside.
  const module = new URL('../../src/sys/make-directories.js', import.meta.url).href;
  const script = `import(${JSON.stringify(module)}).then(({ makeDirectories }) => makeDirectories('/proc/none/at/all'))`;
  const { status, stderr } = spawnSync(process.execPath, ['-e', script], { timeout: 30_000, killSignal: 'SIGKILL' });
  t.equal(status, 1);
  t.match(stderr.toString(), /ENOENT.*mkdir '\/proc\/none'/);
});

t.test('the registry goes on to the next place', async (t) => {
  const base = t.testdir();
  mkdirSync(join(base, 'place'));
  const module = new URL('../../src/mount/registry.js', import.meta.url).href;
  const entry = { pid: 1, startTime: 2, bootId: 'b', mountpoint: '/m', catalog: '/c', instance: 'i', backupId: 'B' };
  const script = `import(${JSON.stringify(module)}).then(({ register, findRegistered }) => {
    const places = ['/proc/none/pbkfs', ${JSON.stringify(join(base, 'place/pbkfs'))}];
    register(${JSON.stringify(entry)}, places);
    process.stdout.write(findRegistered('/m', places).backupId);
  })`;
  const { stdout } = spawnSync(process.execPath, ['-e', script], { timeout: 30_000, killSignal: 'SIGKILL' });
  t.equal(stdout.toString(), 'B');
});
