// One line in the log every so often: what a mount has done since the line before. Nothing where it did nothing.

import type { Logger } from '../../log.js';
import { type CounterSnapshot, pendingOperations, sumCounters, sumTimes } from '../../metrics/counters.js';
import { type Operation, operations } from '../../metrics/definitions.js';
import { type Distribution, quantile } from '../../metrics/histogram.js';

/** How often there is a line, in seconds, where nobody says otherwise. */
const ACTIVITY_SECONDS = 900;

export class ActivityLog {
  readonly #counters: SharedArrayBuffer;
  readonly #log: Logger;
  readonly #seconds: number;
  #timer: NodeJS.Timeout | undefined;
  #before: CounterSnapshot;
  #timesBefore: Map<Operation, Distribution>;

  /** @param seconds between two lines; 0: none */
  constructor(counters: SharedArrayBuffer, log: Logger, seconds = ACTIVITY_SECONDS) {
    this.#counters = counters;
    this.#log = log;
    this.#seconds = seconds;
    this.#before = sumCounters(counters);
    this.#timesBefore = sumTimes(counters);
  }

  start(): void {
    if (this.#seconds > 0) this.#timer = setInterval(() => this.write(), this.#seconds * 1000).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Writes the line, if there is something to write. */
  write(): void {
    const now = sumCounters(this.#counters);
    const times = sumTimes(this.#counters);
    const added = (name: keyof CounterSnapshot): number => now[name] - this.#before[name];
    const requests = operations.reduce((sum, op) => sum + added(op), 0);
    if (requests > 0) {
      this.#log.info('activity', {
        seconds: this.#seconds,
        requests,
        reads: added('read'),
        readBytes: added('bytesRead'),
        fromBackup: added('blocksFromBackup'),
        fromDiff: added('blocksFromDiff'),
        writes: added('write'),
        writtenBytes: added('bytesWritten'),
        fsyncs: added('fsync'),
        readP99: this.#slowest('read', times),
        writeP99: this.#slowest('write', times),
        fsyncP99: this.#slowest('fsync', times),
        errors: added('errors'),
        pending: pendingOperations(this.#counters),
      });
    }
    this.#before = now;
    this.#timesBefore = times;
  }

  /** The time in seconds that 99 of 100 requests since the line before stayed below; undefined where there was none. */
  #slowest(op: Operation, times: Map<Operation, Distribution>): number | undefined {
    const before = this.#timesBefore.get(op)!;
    const now = times.get(op)!;
    const count = now.count - before.count;
    if (count === 0) return undefined;
    const buckets = now.buckets.map((observations, i) => observations - before.buckets[i]!);
    return quantile({ count, sumSeconds: 0, buckets }, 0.99);
  }
}
