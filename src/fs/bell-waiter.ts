// How the namespace thread waits for its bell: asleep, or awake for a moment where the next request is about to come.
//
// Who calls one operation on names after the other is back some 30 µs after a reply. Being woken on another CPU costs as
// much again, so for so long the thread looks at the bell instead of sleeping. Where that is in vain (one CPU for all,
// callers that do something else in between) it sleeps: 16 times before it looks again, twice as often after each failure.

import { performance } from 'node:perf_hooks';
import { control } from '../overlay/shared/shared-state.js';

/** How long it stays awake, in ms. A sleep that was shorter says that staying awake would have paid. */
const AWAKE = 0.05;
/** Sleeps between two attempts after a failure, and after many. */
const FIRST_PAUSE = 16;
const LONGEST_PAUSE = 4096;

export class BellWaiter {
  readonly #control: Int32Array;
  readonly #now: () => number;
  /** the last wait was short */
  #quick = false;
  /** short sleeps to go before the next attempt */
  #pause = 0;
  #nextPause = FIRST_PAUSE;

  /** @param controlWords of the mount; they hold the bell */
  constructor(controlWords: Int32Array, now: () => number = () => performance.now()) {
    this.#control = controlWords;
    this.#now = now;
  }

  /** Returns when the bell has rung since it was read as `bell`, or `timeout` ms have passed, or for no reason. */
  wait(bell: number, timeout: number): void {
    const begun = this.#now();
    if (this.#quick && this.#pause === 0) {
      if (this.#rangWhileAwake(bell, begun + Math.min(AWAKE, timeout))) {
        this.#nextPause = FIRST_PAUSE;
        return;
      }
      this.#pause = this.#nextPause;
      this.#nextPause = Math.min(LONGEST_PAUSE, this.#nextPause * 2);
    }
    Atomics.wait(this.#control, control.bell, bell, timeout);
    this.#quick = this.#now() - begun < AWAKE * 2;
    if (this.#quick && this.#pause > 0) this.#pause--;
  }

  #rangWhileAwake(bell: number, until: number): boolean {
    for (;;) {
      if (Atomics.load(this.#control, control.bell) !== bell) return true;
      if (this.#now() >= until) return false;
    }
  }
}
