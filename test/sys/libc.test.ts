import { closeSync, existsSync, fstatSync, mkdirSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import t, { type Test } from 'tap';
import {
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  fallocate,
  flock,
  LOCK_EX,
  LOCK_NB,
  MNT_DETACH,
  MS_NODEV,
  MS_NOSUID,
  mount,
  syncfs,
  umount2,
} from '../../src/sys/libc.js';
import { temporaryDirectory } from '../support/swept.js';

const root = process.getuid?.() === 0;

function scratch(t: Test): string {
  const dir = temporaryDirectory('pbkfs-libc-');
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

t.test('flock-excludes-a-second-description-until-released', async (t) => {
  const path = join(scratch(t), 'lock');
  const first = openSync(path, 'w');
  const second = openSync(path, 'r+');
  flock(first, LOCK_EX | LOCK_NB);
  t.throws(() => flock(second, LOCK_EX | LOCK_NB), { code: 'EAGAIN', errno: -11, syscall: 'flock' });
  closeSync(first);
  flock(second, LOCK_EX | LOCK_NB);
  closeSync(second);
});

t.test('fallocate-extends-keeps-and-punches-also-beyond-4-GiB', async (t) => {
  const fd = openSync(join(scratch(t), 'file'), 'w+');
  t.teardown(() => closeSync(fd));
  const far = 5 * 1024 ** 3;
  fallocate(fd, 0, far, 8192);
  t.equal(fstatSync(fd).size, far + 8192);
  writeSync(fd, Buffer.alloc(8192, 7), 0, 8192, far);
  fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, far, 4096);
  const page = Buffer.alloc(8192);
  readSync(fd, page, 0, 8192, far);
  t.ok(page.subarray(0, 4096).equals(Buffer.alloc(4096)));
  t.ok(page.subarray(4096).equals(Buffer.alloc(4096, 7)));
  t.throws(() => fallocate(fd, 0, 0, 0), { code: 'EINVAL', syscall: 'fallocate' });
});

t.test('syncfs-works-and-names-a-bad-descriptor', async (t) => {
  const dir = scratch(t);
  const fd = openSync(dir, 'r');
  syncfs(fd);
  closeSync(fd);
  t.throws(() => syncfs(fd), { code: 'EBADF', errno: -9, syscall: 'syncfs' });
});

t.test('mount-errors-name-call-and-path', async (t) => {
  const missing = join(scratch(t), 'missing');
  t.throws(() => umount2(missing), { code: 'ENOENT', syscall: 'umount2', path: missing });
  t.throws(() => umount2('a\0b'), { code: 'EINVAL' });
});

t.test('mount-and-umount2-of-a-busy-tmpfs', { skip: root ? false : 'needs root to mount' }, async (t) => {
  const dir = join(scratch(t), 'точка с пробелом');
  mkdirSync(dir);
  mount('pbkfs-test', dir, 'tmpfs', MS_NOSUID | MS_NODEV, 'size=64k');
  const fd = openSync(join(dir, 'file'), 'w');
  t.throws(() => umount2(dir), { code: 'EBUSY', errno: -16 });
  umount2(dir, MNT_DETACH);
  t.notOk(existsSync(join(dir, 'file')));
  closeSync(fd);
  t.throws(() => umount2(dir), { code: 'EINVAL' });
});

t.test('calls-work-inside-worker-threads', async (t) => {
  const module = new URL('../../src/sys/libc.js', import.meta.url).href;
  const body = `const { parentPort } = require('node:worker_threads');
    import(${JSON.stringify(module)}).then((libc) => {
      try { libc.syncfs(-1); } catch (error) { parentPort.postMessage(error.code); }
    });`;
  const answer = await new Promise((resolve, reject) => {
    const worker = new Worker(body, { eval: true });
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  t.equal(answer, 'EBADF');
});
