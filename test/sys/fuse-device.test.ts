import { closeSync, existsSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { cloneDevice, mountFuse, openFuseDevice } from '../../src/sys/fuse-device.js';
import { umount2 } from '../../src/sys/libc.js';
import { temporaryDirectory } from '../support/swept.js';

const missing = process.getuid?.() !== 0 ? 'needs root to mount' : existsSync('/dev/fuse') ? false : 'needs /dev/fuse';

t.test('mounts-shows-its-type-and-options-clones-and-unmounts', { skip: missing }, async (t) => {
  const dir = temporaryDirectory('pbkfs-device-');
  const fd = openFuseDevice();
  const flags = /flags:\s+(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'));
  t.ok(Number.parseInt(flags?.[1] ?? '0', 8) & 0o2000000, 'the device is close-on-exec');
  mountFuse(fd, dir, { uid: 0, gid: 0, allowOther: true, fsname: 'pbkfs:main', maxRead: 1 << 20 });
  const line = readFileSync('/proc/self/mounts', 'latin1')
    .split('\n')
    .find((text) => text.includes(dir));
  t.match(line, /^pbkfs:main \S+ fuse\.pbkfs rw,nosuid,nodev,.*default_permissions,allow_other/);
  const clone = cloneDevice(fd);
  t.not(clone, fd);
  umount2(dir);
  closeSync(clone);
  closeSync(fd);
  rmdirSync(dir);
});

t.test('cloning-something-else-fails-and-leaks-no-descriptor', { skip: missing }, async (t) => {
  const before = readdirSync('/proc/self/fd').length;
  t.throws(() => cloneDevice(0), { code: 'EINVAL', syscall: 'ioctl' });
  t.equal(readdirSync('/proc/self/fd').length, before);
});

t.test('mounting-on-a-file-is-refused-by-the-kernel', { skip: missing }, async (t) => {
  const dir = temporaryDirectory('pbkfs-device-');
  t.teardown(() => rmSync(dir, { recursive: true }));
  const file = join(dir, 'file');
  writeFileSync(file, '');
  const fd = openFuseDevice();
  t.throws(() => mountFuse(fd, file, { uid: 0, gid: 0, allowOther: true, fsname: 'pbkfs' }), {
    code: 'ENOTDIR',
    syscall: 'mount',
    path: file,
  });
  closeSync(fd);
});
