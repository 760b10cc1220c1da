import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, closeSync, copyFileSync, mkdirSync, openSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { byteString } from '../../src/backup/byte-path.js';
import { describeHolders, findHolders } from '../../src/mount/holders.js';
import { MNT_DETACH, MS_NODEV, mount, umount2 } from '../../src/sys/libc.js';
import { type MountEntry, mountAt, readMounts } from '../../src/sys/mountinfo.js';
import { temporaryDirectory } from '../support/swept.js';

const skip = process.getuid?.() === 0 ? false : 'needs root to mount';

function tmpfs(t: Test): { dir: string; entry: () => MountEntry } {
  const base = temporaryDirectory('pbkfs-holders-');
  const dir = join(base, 'с пробелом');
  mkdirSync(dir);
  mount('pbkfs-test', dir, 'tmpfs', MS_NODEV, 'size=4m');
  t.teardown(() => {
    umount2(dir, MNT_DETACH);
    rmSync(base, { recursive: true });
  });
  return { dir, entry: () => mountAt(readMounts(), byteString(dir))! };
}

/** A process that is killed at the end of the test. */
function start(t: Test, command: string, args: string[], cwd: string) {
  const child = spawn(command, args, { cwd, stdio: 'ignore' });
  t.teardown(async () => {
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await exit;
  });
  return once(child, 'spawn').then(() => child);
}

t.test('finds-working-directories-programs-and-open-files', { skip }, async (t) => {
  const { dir, entry } = tmpfs(t);
  t.strictSame(findHolders(entry()), []);
  t.match(describeHolders(entry()), /nobody that can be seen/);
  const program = join(dir, 'schläfer');
  copyFileSync('/bin/sleep', program);
  chmodSync(program, 0o755);
  const inside = await start(t, 'sleep', ['61'], dir);
  const running = await start(t, program, ['62'], '/');
  const deleted = join(dir, 'deleted');
  const fd = openSync(deleted, 'w');
  unlinkSync(deleted);
  const holders = findHolders(entry());
  t.strictSame(holders.map(({ pid }) => pid).sort(), [inside.pid, running.pid, process.pid].sort());
  const usesOf = (pid: number | undefined) => holders.find((holder) => holder.pid === pid)?.uses;
  t.strictSame(usesOf(inside.pid), [`cwd ${dir}`]);
  t.strictSame(usesOf(running.pid), [`exe ${program}`, `mapped ${program}`]);
  t.strictSame(usesOf(process.pid), [`open ${deleted} (deleted)`]);
  t.match(describeHolders(entry()), new RegExp(`process ${inside.pid} \\(sleep 61\\): cwd ${dir}`));
  const script = await start(t, 'sh', ['-c', '\nsleep 63\nsleep 64'], dir);
  t.match(describeHolders(entry()), `process ${script.pid} (sh -c sleep 63 sleep 64): cwd`, 'on one line');
  closeSync(fd);
});

t.test('who-sits-in-the-directory-underneath-is-not-accused', { skip }, async (t) => {
  const base = temporaryDirectory('pbkfs-holders-');
  t.teardown(() => rmSync(base, { recursive: true }));
  await start(t, 'sleep', ['63'], base);
  const fd = openSync(base, 'r');
  mount('pbkfs-test', base, 'tmpfs', MS_NODEV, 'size=64k');
  t.strictSame(findHolders(mountAt(readMounts(), byteString(base))!), []);
  umount2(base);
  closeSync(fd);
});

t.test('mounts-on-the-mount-count-too', { skip }, async (t) => {
  const { dir, entry } = tmpfs(t);
  const inner = join(dir, 'inner');
  mkdirSync(inner);
  mount('pbkfs-test', inner, 'tmpfs', MS_NODEV, 'size=64k');
  t.equal(describeHolders(entry()), `a mount on ${inner}`);
  umount2(inner);
});

t.test('many-holders-are-summed-up', { skip }, async (t) => {
  const { dir, entry } = tmpfs(t);
  for (let n = 0; n < 3; n++) await start(t, 'sleep', ['64'], dir);
  writeFileSync(join(dir, 'x'), '');
  t.match(describeHolders(entry(), 2), /; 1 more$/);
});
