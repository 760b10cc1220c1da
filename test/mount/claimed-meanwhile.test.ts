// Two commands about one diff at the same moment: what another one has made meanwhile stays, and one at a time has the lock.

import fs, { existsSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { cleanup, unmount } from '../../src/mount/index.js';
import { isDiffLocked } from '../../src/mount/lock.js';
import { prepareMount } from '../../src/mount/prepare.js';
import { mountMissing } from '../support/mount.js';
import { fakeMount } from './fake/mount.js';

/** Does something just before, or after, a call of node:fs for this path. */
function around(t: Test, call: 'mkdirSync' | 'rmSync', path: string, when: 'before' | 'after', act: () => void): void {
  const original = fs[call] as (...args: unknown[]) => unknown;
  const set = (to: unknown): void => {
    Object.assign(fs, { [call]: to });
    syncBuiltinESMExports();
  };
  t.teardown(() => set(original));
  set((...args: unknown[]) => {
    if (args[0] === path && when === 'before') act();
    const result = original(...args);
    if (args[0] === path && when === 'after') act();
    return result;
  });
}

t.test('a mount that is refused removes nothing that others have put into its new diff', async (t) => {
  const { request, diff } = await fakeMount(t);
  around(t, 'mkdirSync', diff, 'after', () => writeFileSync(join(diff, 'mine'), 'x'));
  t.throws(() => prepareMount(request, true), { code: 'diff_foreign' });
  t.ok(existsSync(join(diff, 'mine')));
});

t.test('cleanup holds the lock until its file is gone', { skip: mountMissing }, async (t) => {
  const mount = await fakeMount(t);
  await mount.launch();
  await unmount(mount.mountpoint);
  const held: boolean[] = [];
  around(t, 'rmSync', join(mount.diff, 'lock'), 'before', () => held.push(isDiffLocked(mount.diff)));
  cleanup(mount.diff, true);
  t.strictSame(held, [true]);
  t.notOk(existsSync(mount.diff));
});
