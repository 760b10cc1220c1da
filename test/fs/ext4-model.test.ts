// Random sequences of real system calls give the same answers on a mount as on ext4.

import t from 'tap';
import { compareWithExt4 } from '../support/ext4-play.js';
import { mountMissing } from '../support/mount.js';

t.test('random system calls get the answers ext4 gives (traps 15-21, 23, 25)', { skip: mountMissing }, async (t) => {
  await compareWithExt4(t, 2, 1200);
});
