// The kernel's limit on how slowly processors may wake: held for as long as it is wanted, and said where there is none.

import { closeSync, openSync, readFileSync, readSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { CpuLatency } from '../../src/sys/cpu-latency.js';
import { openFilesOf } from '../support/open-files.js';

/** What holds for this machine now, in µs. */
function limit(): number {
  const fd = openSync('/dev/cpu_dma_latency', 'r');
  try {
    const word = new Int32Array(1);
    readSync(fd, new Uint8Array(word.buffer));
    return word[0]!;
  } finally {
    closeSync(fd);
  }
}

/** Other programs may set a limit as well: this is about us alone. */
function isHeld(): boolean {
  return openFilesOf('self').includes('/dev/cpu_dma_latency');
}

t.test('the kernel keeps to it until it is let go', { skip: new CpuLatency().fault() ?? false }, async (t) => {
  const latency = new CpuLatency();
  t.notOk(isHeld());
  latency.keepAwake();
  t.equal(limit(), 0);
  t.ok(isHeld());
  latency.letSleep();
  t.notOk(isHeld());
  latency.letSleep();
});

t.test('what is written is 0 as the machine writes numbers', async (t) => {
  const device = join(t.testdir(), 'device');
  writeFileSync(device, 'xxxxyyyy');
  const latency = new CpuLatency(device);
  latency.keepAwake();
  latency.letSleep();
  t.strictSame([...readFileSync(device)], [0, 0, 0, 0, ...Buffer.from('yyyy')]);
});

t.test('says why it cannot be done, and makes no file', async (t) => {
  const directory = t.testdir({ device: '', none: 'none\n', haltpoll: 'haltpoll\n' });
  const at = (name: string): string => join(directory, name);
  t.equal(new CpuLatency(at('device'), at('haltpoll')).fault(), undefined);
  const useless = 'the kernel has no choice of idle states (cpuidle) on this machine';
  t.equal(new CpuLatency(at('device'), at('none')).fault(), useless);
  t.equal(new CpuLatency(at('device'), at('missing')).fault(), useless);
  const missing = new CpuLatency(at('missing'), at('haltpoll'));
  t.equal(missing.fault(), `there is no ${at('missing')} here`);
  t.throws(() => missing.keepAwake(), { code: 'ENOENT' });
});
