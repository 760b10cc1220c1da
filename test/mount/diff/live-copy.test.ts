// A diff that was copied while it was mounted: its files are of different moments.

import { appendFileSync, cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { mountMissing, pbkfs } from '../../support/mount.js';
import { fingerprint } from '../../support/worked-diff.js';
import { smallMount } from '../small-mount.js';

t.test('a copy of a diff that is mounted is refused without --force', { skip: mountMissing }, async (t) => {
  const mount = await smallMount(t);
  const { base, diff, mountpoint } = mount;
  const [copy, place] = [join(base, 'copy'), join(base, 'place')];
  appendFileSync(mount.path('base/1/raw'), 'in an object');
  cpSync(diff, copy, { recursive: true });
  mkdirSync(place);
  t.teardown(() => pbkfs(['unmount', '-D', place]));
  const onPlace = ['mount', '-D', place, '-d', copy];
  const { pid } = mount.process();
  const why = `the diff ${copy} is a copy of one that process ${pid} has mounted on ${mountpoint}: `;
  const snapshot = '; of a snapshot of the file system, which is of one moment, --force is right';
  const hint = `unmount first \\(pbkfs unmount -D ${mountpoint}\\), and copy then`;
  const objects = fingerprint(join(copy, 'objects'));

  for (const [command, force] of [
    [onPlace, snapshot],
    [['export', copy, '-o', join(base, 'exported')], snapshot],
    [['fsck', '-d', copy], ''],
    [['fsck', '-d', copy, '--repair'], ''],
  ] as const) {
    const said = new RegExp(`^pbkfs: ${why}.*\nhint: ${hint}${force}\n$`);
    t.match(await pbkfs(command), { status: 1, stderr: said }, command[0]);
  }
  t.equal(fingerprint(join(copy, 'objects')), objects);

  t.match(await pbkfs([...onPlace, '--force']), { status: 0 });
  t.match(await pbkfs(['unmount', '-D', place]), { status: 0 });
  t.match(await pbkfs(onPlace), { status: 0 }, 'it has a mount of its own behind it now');
});
