// What statfs says of a mount with --diff-limit: the room below the limit.

import { statfsSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { mountMissing } from '../support/mount.js';
import { nativeMissing } from '../support/native.js';
import { unmounted } from './small-mount.js';

t.setTimeout(280_000);

const BLOCK = 8192;
const LIMIT = 1 << 20;

for (const [backend, skip] of [
  ['kernel', mountMissing],
  ['fuse-native', nativeMissing],
] as const) {
  t.test(`the limit is the size, and what is written is taken from it (${backend})`, { skip }, async (t) => {
    const mount = unmounted(t);
    const { catalog } = mount;
    const options = ['--diff-limit', '1MB', '--backend', backend];
    await mount.mount({ catalog, instance: 'main', backup: 'latest' }, options);
    const room = (): { size: number; free: number } => {
      const { blocks, bavail, bsize } = statfsSync(mount.mountpoint);
      return { size: blocks * bsize, free: bavail * bsize };
    };
    const before = room();
    t.equal(before.size, LIMIT);
    t.ok(before.free <= LIMIT && before.free > LIMIT / 2, `${before.free} bytes`);
    writeFileSync(mount.path('base/1/new'), Buffer.alloc(10 * BLOCK, 1));
    t.equal(room().free, before.free - 10 * BLOCK);
    await mount.unmount();
  });
}
