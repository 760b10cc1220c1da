// What recording metrics costs a request: the cheapest reads there are (8 KiB of the diff, in the page cache) on two
// mounts, of which one has no clock. CPU time of the mount processes counts: it does not mind a busy machine.
//
//     npm run build && node dist/bench/metrics-cost.js

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { Counters, createCounters, operation } from '../src/metrics/counters.js';
import { mountCatalog, mountMissing, type TestMount } from '../test/support/mount.js';
import { cpuTime } from './cases/overhead.js';
import { median } from './report/statistics.js';
import { fio } from './run/fio.js';
import { benchTarget } from './target.js';

const ROUNDS = 20;
const SECONDS = 1;
const FILE_BYTES = 16 * 1024 * 1024;
const CLOCK_OFF = fileURLToPath(new URL('./clock-off.cjs', import.meta.url));

/** µs that the recording of one request takes: two looks at the clock and the shared cells. */
function recordingTime(): number {
  const counters = new Counters(createCounters(), 1);
  return cpuTime(() => {
    const begun = performance.now();
    counters.received();
    counters.answered(operation.read, performance.now() - begun);
  });
}

class Side {
  readonly #mount: TestMount;
  readonly #file: string;
  readonly microseconds: number[] = [];

  constructor(mount: TestMount) {
    this.#mount = mount;
    this.#file = join(mount.mountpoint, 'bench');
    writeFileSync(this.#file, Buffer.alloc(FILE_BYTES, 'pbkfs'));
  }

  /** CPU time of the mount process, in µs, for each read of one round. */
  async round(): Promise<void> {
    const [cpu, reads] = [this.#cpu(), this.#reads()];
    await fio({ rw: 'randread', where: { file: this.#file }, size: FILE_BYTES, seconds: SECONDS, direct: true }, false);
    this.microseconds.push((this.#cpu() - cpu) / (this.#reads() - reads));
  }

  #reads(): number {
    return (
      JSON.parse(readFileSync(join(this.#mount.mountpoint, '.pbkfs/stat'), 'utf8')) as { counters: { read: number } }
    ).counters.read;
  }

  #cpu(): number {
    const metrics = readFileSync(join(this.#mount.mountpoint, '.pbkfs/metrics'), 'utf8');
    return Number(/^process_cpu_seconds_total.* (\S+)$/m.exec(metrics)![1]) * 1e6;
  }
}

const undo: (() => unknown)[] = [];
const teardown = { teardown: (handler: () => unknown) => undo.push(handler) };
if (mountMissing !== false) {
  console.error(`bench: ${mountMissing}`);
  process.exitCode = 1;
} else {
  try {
    const target = await benchTarget(teardown);
    const on = new Side(await mountCatalog(teardown, target));
    const off = new Side(await mountCatalog(teardown, target, { NODE_OPTIONS: `--require=${CLOCK_OFF}` }));
    for (let round = 0; round < ROUNDS; round++)
      for (const side of round % 2 ? [on, off] : [off, on]) await side.round();
    const [recorded, bare, alone] = [median(on.microseconds), median(off.microseconds), recordingTime()];
    console.log(
      `8 KiB random reads of the diff, every one served; ${ROUNDS} interleaved rounds of ${SECONDS} s, medians`,
    );
    console.log('CPU time of the mount process for a read:');
    console.log(`  with recording     ${recorded.toFixed(2)} µs`);
    console.log(
      `  without the clock  ${bare.toFixed(2)} µs, difference ${((recorded / bare - 1) * 100).toFixed(1)} % with noise`,
    );
    console.log(`  recording alone    ${alone.toFixed(3)} µs, ${((alone / recorded) * 100).toFixed(2)} %`);
  } finally {
    for (const step of undo.reverse()) await step();
  }
}
