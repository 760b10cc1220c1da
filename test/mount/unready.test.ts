// Mounts that end between the moment they can be seen and the one in which everything a server needs is written: nothing
// comes into the directory below, and the next mount of the diff writes it.

import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { mountError } from '../../src/fs/connection.js';
import { umount2 } from '../../src/sys/libc.js';
import { mountMissing } from '../support/mount.js';
import { until } from '../support/until.js';
import { type SmallMount, smallMount, unmounted } from './small-mount.js';

t.setTimeout(300_000);

const TARGET = '2026-11-21 04:28:33+00';

/** Begins a mount with a recovery target; returns as soon as the kernel has it. */
async function beginning(t: Test): Promise<{ mount: SmallMount; mounting: Promise<unknown> }> {
  const mount = unmounted(t);
  const source = { catalog: mount.catalog, instance: 'main', backup: 'latest' };
  const options = ['--recovery-target-time', TARGET, '--restore-command', 'false'];
  const mounting = mount.mount(source, options).then(
    () => undefined,
    (error: unknown) => error,
  );
  await until(() => mount.mounted);
  return { mount, mounting };
}

/** The diff alone knows what was asked for. */
async function checkNextMount(t: Test, mount: SmallMount): Promise<void> {
  await mount.remount();
  t.ok(existsSync(join(mount.mountpoint, 'recovery.signal')));
  const settings = readFileSync(join(mount.mountpoint, 'postgresql.auto.conf'), 'utf8');
  t.match(settings, `recovery_target_time = '${TARGET}'`);
  await mount.unmount();
  const binding = JSON.parse(readFileSync(join(mount.diff, 'binding.json'), 'utf8')) as object;
  t.notOk('unwritten' in binding);
}

t.test('a mount that is unmounted as soon as it can be seen', { skip: mountMissing }, async (t) => {
  // Now and then it is gone before it could be served.
  for (let round = 0; round < 3; round++) {
    const { mount, mounting } = await beginning(t);
    for (let tries = 0; mount.mounted; tries++) {
      try {
        umount2(mount.mountpoint, 0);
      } catch (error) {
        // It waits until what must not come into the directory below is written.
        if ((error as NodeJS.ErrnoException).code !== 'EBUSY' || tries > 10_000) throw error;
      }
    }
    const refused = await mounting;
    await until(() => mount.owner() === undefined);
    t.strictSame(readdirSync(mount.mountpoint), [], 'nothing was written below the mount');
    if (existsSync(mount.diff)) await checkNextMount(t, mount);
    else t.match(refused, /hint: somebody unmounted it before it could be served/);
  }
});

t.test('a mount that is killed as soon as it can be seen', { skip: mountMissing }, async (t) => {
  const { mount, mounting } = await beginning(t);
  await mount.kill9();
  await mounting;
  await checkNextMount(t, mount);
});

t.test(
  'a mount whose settings cannot be written ends, and the next one writes them',
  { skip: mountMissing },
  async (t) => {
    const mount = await smallMount(t);
    writeFileSync(mount.path('large'), Buffer.alloc(2 ** 20, 1));
    await mount.unmount();
    const options = ['--recovery-target-time', TARGET, '--restore-command', 'false', '--diff-limit', '1MB'];
    await t.rejects(mount.remount(...options), /ENOSPC/);
    t.notOk(mount.mounted);
    t.equal(mount.owner(), undefined);
    await checkNextMount(t, mount);
  },
);

t.test('a mount that is gone before the kernel has said hello is not taken for a kernel without FUSE', async (t) => {
  const gone = Object.assign(new Error('ENODEV: no such device, read'), { code: 'ENODEV', syscall: 'read' });
  t.match(mountError(gone), { code: 'mount_failed', hint: /^somebody unmounted it/ });
  t.match(mountError({ ...gone, syscall: 'mount' }), { hint: /^this kernel has no FUSE/ });
});
