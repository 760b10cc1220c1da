// --low-latency: processors are kept from sleeping while a mount has work, and no longer.

import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { LowLatency } from '../../src/fs/low-latency.js';
import type { Logger } from '../../src/log.js';
import { Counters, createCounters } from '../../src/metrics/counters.js';
import { control } from '../../src/overlay/shared/shared-state.js';
import { CpuLatency } from '../../src/sys/cpu-latency.js';

class Processors extends CpuLatency {
  awake = 0;
  refused = false;

  override fault(): undefined {
    return undefined;
  }

  override keepAwake(): void {
    if (this.refused) throw new Error('ENODEV: no such device');
    this.awake++;
  }

  override letSleep(): void {
    this.awake--;
  }
}

function stage(latency = new Processors()) {
  const counters = createCounters();
  const words = new Int32Array(new SharedArrayBuffer(256));
  const warnings: string[] = [];
  const log = { warn: (message: string) => void warnings.push(message) } as unknown as Logger;
  const lowLatency = new LowLatency(counters, words, log, latency);
  const thread = new Counters(counters, 3);
  const receive = (requests: number): void => {
    for (let i = 0; i < requests; i++) thread.received();
  };
  const look = (requests: number): number => {
    receive(requests);
    lowLatency.look();
    t.equal(Atomics.load(words, control.awake), latency.awake, 'others are told');
    return latency.awake;
  };
  /** What its own timer does meanwhile, some four times. */
  const busy = async (): Promise<void> => {
    lowLatency.start();
    for (let i = 0; i < 20; i++) {
      receive(100);
      await sleep(10);
    }
  };
  return { lowLatency, latency, look, busy, warnings };
}

t.test('begins at 50 requests between two looks, and ends after ten looks with fewer', async (t) => {
  const { look } = stage();
  t.equal(look(49), 0);
  t.equal(look(50), 1);
  t.equal(look(500), 1, 'asked for once');
  for (let i = 0; i < 9; i++) t.equal(look(49), 1);
  t.equal(look(60), 1, 'work again: the count begins anew');
  for (let i = 0; i < 9; i++) t.equal(look(0), 1);
  t.equal(look(0), 0);
  t.equal(look(0), 0);
  t.equal(look(50), 1);
});

t.test('the end of the mount lets processors sleep', async (t) => {
  const { lowLatency, latency, busy } = stage();
  await busy();
  t.equal(latency.awake, 1);
  lowLatency.stop();
  t.equal(latency.awake, 0);
  lowLatency.stop();
  t.equal(latency.awake, 0);
});

t.test('where the kernel refuses later on, the mount goes on without it and says so', async (t) => {
  const { latency, busy, warnings } = stage();
  latency.refused = true;
  await busy();
  t.equal(latency.awake, 0);
  t.strictSame(warnings, ['--low-latency: ENODEV: no such device; this mount does without it'], 'once');
});

t.test('nothing is begun where it cannot be done', async (t) => {
  const { lowLatency, latency, busy } = stage(
    new (class extends Processors {
      override fault(): undefined {
        return 'only root may' as unknown as undefined;
      }
    })(),
  );
  t.equal(lowLatency.fault, 'only root may');
  await busy();
  t.equal(latency.awake, 0);
  lowLatency.stop();
});
