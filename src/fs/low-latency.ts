// --low-latency: while a mount is busy, this machine's processors do not go to sleep between two requests. Client and
// server wake each other for each of them, and a sleeping processor takes its time for that, in a virtual machine most.

import type { Logger } from '../log.js';
import { receivedRequests } from '../metrics/counters.js';
import { control } from '../overlay/shared/shared-state.js';
import { CpuLatency } from '../sys/cpu-latency.js';

/** How often the mount is looked at, in ms, and how many requests since the last look make it a busy one: 1000 a second. */
const LOOK_EVERY = 50;
const BUSY = 50;
/** After so many looks without that, processors may sleep again: half a second. */
const PATIENCE = 10;

export class LowLatency {
  /** Why nothing is done; undefined: it is. */
  readonly fault: string | undefined;
  readonly #counters: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #log: Logger;
  readonly #latency: CpuLatency;
  #before = 0;
  #idleLooks = 0;
  #timer: NodeJS.Timeout | undefined;

  /** @param words the shared control words, of which `awake` tells others what is in force */
  constructor(counters: SharedArrayBuffer, words: Int32Array, log: Logger, latency = new CpuLatency()) {
    this.#counters = counters;
    this.#words = words;
    this.#log = log;
    this.#latency = latency;
    this.fault = latency.fault();
  }

  start(): void {
    if (this.fault !== undefined) return;
    this.#before = receivedRequests(this.#counters);
    this.#timer = setInterval(() => this.look(), LOOK_EVERY).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#set(false);
  }

  /** Called by its timer. */
  look(): void {
    const received = receivedRequests(this.#counters);
    const busy = received - this.#before >= BUSY;
    this.#before = received;
    this.#idleLooks = busy ? 0 : this.#idleLooks + 1;
    if (busy) this.#set(true);
    else if (this.#idleLooks >= PATIENCE) this.#set(false);
  }

  #set(awake: boolean): void {
    if (awake === (Atomics.load(this.#words, control.awake) !== 0)) return;
    try {
      if (awake) this.#latency.keepAwake();
      else this.#latency.letSleep();
    } catch (error) {
      this.#log.warn(`--low-latency: ${(error as Error).message}; this mount does without it`);
      clearInterval(this.#timer);
      return;
    }
    Atomics.store(this.#words, control.awake, Number(awake));
  }
}
