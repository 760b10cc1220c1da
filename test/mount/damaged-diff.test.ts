// A mount whose diff turns out to be damaged when its journal is read.

import { readFileSync, writeFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { isDiffLocked } from '../../src/mount/diff/lock.js';
import { mountMissing } from '../support/mount.js';
import { smallMount } from './small-mount.js';

t.test('is refused with the reason, and nothing is left of it', { skip: mountMissing }, async (t) => {
  const mount = await smallMount(t);
  await writeFile(mount.path('base/1/new'), 'acknowledged');
  await mount.unmount();
  const journal = join(mount.diff, 'journal');
  const sound = readFileSync(journal);
  const broken = Buffer.from(sound);
  broken[40]! ^= 0x10;
  writeFileSync(journal, broken);
  await t.rejects(mount.remount(), { message: /journal .* is broken/ });
  t.notOk(mount.mounted);
  t.notOk(isDiffLocked(mount.diff));
  t.equal(mount.state().state, 'clean', 'as it was');
  t.ok(readFileSync(journal).equals(broken));
  writeFileSync(journal, sound);
  await mount.remount();
  t.equal(await readFile(mount.path('base/1/new'), 'utf8'), 'acknowledged');
  await mount.unmount();
});
