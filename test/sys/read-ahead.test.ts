// How far the kernel reads ahead in a mount: set where that can be done, and told where it cannot.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { mountOn } from '../../src/sys/mountinfo.js';
import { setReadAhead } from '../../src/sys/read-ahead.js';

t.test('writes the attribute of the mount’s device', async (t) => {
  const devices = t.testdir();
  const device = join(devices, mountOn('/proc')!.device);
  mkdirSync(device);
  writeFileSync(join(device, 'read_ahead_kb'), '128\n');
  t.same(setReadAhead('/proc', 2048, devices), { kib: 2048 });
  t.equal(readFileSync(join(device, 'read_ahead_kb'), 'latin1').slice(0, 4), '2048');
});

t.test('tells where it cannot be set, and makes no file', async (t) => {
  const devices = t.testdir();
  t.match(setReadAhead('/proc', 2048, devices), { kib: null, fault: /ENOENT/ });
  t.match(setReadAhead(join(devices, 'not mounted'), 2048, devices), { kib: null, fault: /mountinfo/ });
});
