// How long this machine's processors may take to wake from an idle state: the kernel's "CPU latency QoS",
// docs.kernel.org/power/pm_qos_interface.html. A limit holds for the whole machine for as long as its file is open.

import { closeSync, constants, openSync, readFileSync, writeSync } from 'node:fs';

const DEVICE = '/dev/cpu_dma_latency';
const DRIVER = '/sys/devices/system/cpu/cpuidle/current_driver';

export class CpuLatency {
  readonly #device: string;
  readonly #driver: string;
  #fd: number | undefined;

  /** The paths are for tests. */
  constructor(device = DEVICE, driver = DRIVER) {
    this.#device = device;
    this.#driver = driver;
  }

  /** Why a limit could not be set, or would change nothing; undefined: it can. */
  fault(): string | undefined {
    try {
      closeSync(this.#open());
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EACCES' || code === 'EPERM') return `this user may not open ${this.#device}, as root may`;
      return code === 'ENOENT' ? `there is no ${this.#device} here` : (error as Error).message;
    }
    // Without one every idle processor halts, whatever is asked for.
    return hasDriver(this.#driver) ? undefined : 'the kernel has no choice of idle states (cpuidle) on this machine';
  }

  /** Lets no processor sleep from now on. @throws a system error */
  keepAwake(): void {
    const fd = this.#open();
    try {
      // In µs, in the machine's byte order.
      writeSync(fd, new Uint8Array(new Int32Array([0]).buffer));
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    this.#fd = fd;
  }

  letSleep(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #open(): number {
    // No new file where the device is missing.
    return openSync(this.#device, constants.O_WRONLY);
  }
}

function hasDriver(path: string): boolean {
  try {
    return readFileSync(path, 'latin1').trim() !== 'none';
  } catch {
    return false;
  }
}
