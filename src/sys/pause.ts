// Waiting where nothing else may run meanwhile.

/** Stops this thread, its event loop too. */
export function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
