// SIGTERM, Ctrl-C and Ctrl-\ unmount; a mount that is busy goes on being served until the second one.

import type { Logger } from '../../log.js';
import { ENDING_SIGNALS } from '../../sys/ending-signals.js';
import { mountOn } from '../../sys/mountinfo.js';
import { isAlive } from '../../sys/process-identity.js';
import { describeHolders } from '../holders.js';
import { findRegistered } from '../registry.js';
import { unmountElsewhere } from '../unmount-elsewhere.js';

/** Whoever only looks in passing (`pbkfs list`, the exporter, df) has gone within this; in ms. */
const PASSING = 2000;

/** Turns requests to stop into an unmount; the server then sees the end of its connection and finishes by itself. */
export class Stopper {
  #mount: { readonly mountpoint: string; readonly device: string | undefined; readonly log: Logger } | undefined;
  #leave: (() => Promise<void>) | undefined;
  #requested = false;
  #busy = false;

  /** Whether somebody wants the mount to end. */
  get requested(): boolean {
    return this.#requested;
  }

  /** The mount is up; a request that came before is carried out now. */
  mounted(mountpoint: string, log: Logger): void {
    this.#mount = { mountpoint, device: mountOn(mountpoint)?.device, log };
    if (this.#requested) void this.#unmount();
  }

  /** Whether it is on its directory still: where it was detached, another mount may be there by now, even with its number. */
  get inPlace(): boolean {
    if (this.#mount === undefined) return false;
    const { mountpoint, device } = this.#mount;
    const registered = findRegistered(mountpoint);
    const others = registered !== undefined && registered.pid !== process.pid && isAlive(registered);
    return !others && mountOn(mountpoint)?.device === device;
  }

  /** Somebody of ours uses the mount and is to be sent away before it is unmounted. */
  usedBy(leave: () => Promise<void>): void {
    this.#leave = leave;
  }

  stop(reason: string): void {
    this.#requested = true;
    this.#mount?.log.info('asked to stop', { reason });
    void this.#unmount();
  }

  async #unmount(): Promise<void> {
    if (this.#mount === undefined) return;
    const { mountpoint, log } = this.#mount;
    await this.#leave?.();
    if (!this.inPlace) return;
    try {
      await unmountElsewhere(mountpoint, this.#busy ? 'detach' : 'polite', PASSING);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === 'EBUSY') this.#reportBusy(mountpoint, log);
      // EINVAL: somebody else was faster.
      else if (code !== 'EINVAL') log.error('cannot unmount', { error: (error as Error).message });
    }
  }

  #reportBusy(mountpoint: string, log: Logger): void {
    this.#busy = true;
    const mount = mountOn(mountpoint);
    log.warn('the mount is busy and stays; a second signal detaches it', {
      mountpoint,
      holders: mount === undefined ? 'unknown' : describeHolders(mount),
    });
  }
}

/**
 * Routes this process's signals to the stopper.
 * @param hangup what the end of the terminal means: the foreground stops, the background does not care
 */
export function stopOnSignals(stopper: Stopper, hangup: 'stop' | 'ignore'): void {
  for (const name of ENDING_SIGNALS) {
    process.on(name, () => {
      if (name !== 'SIGHUP' || hangup === 'stop') stopper.stop(name);
    });
  }
}
