// `pbkfs mount --console`: the mount lives in the caller's own process and ends with it.

import { outlivesTerminal } from '../../sys/hangup.js';
import type { MountedInfo, MountRequest } from '../request.js';
import { killAfterGrace } from './last-resort.js';
import { runMount } from './lifecycle.js';
import type { ServeMount } from './serve.js';
import { Stopper, stopOnSignals } from './stop-signals.js';

/**
 * Mounts and serves until the mount is gone; Ctrl-C, SIGTERM and the end of the terminal unmount.
 * @param onMounted called once the mount can be used
 * @param timeout ms after which a mount that cannot be used yet is given up
 * @throws PbkfsError when the mount did not come up
 * @returns the exit status
 */
export async function runForegroundMount(
  request: MountRequest,
  serve: ServeMount,
  onMounted: (info: MountedInfo) => void,
  timeout?: number,
): Promise<number> {
  process.chdir('/');
  const stopper = new Stopper();
  stopOnSignals(stopper, outlivesTerminal() ? 'ignore' : 'stop');
  const timer =
    timeout === undefined ? undefined : setTimeout(() => stopper.stop('the time for mounting is over'), timeout);
  const caller = {
    foreground: true,
    mounted: async (info: MountedInfo) => {
      clearTimeout(timer);
      onMounted(info);
    },
    crashed: () => undefined,
  };
  try {
    return await runMount(request, serve, caller, stopper);
  } finally {
    killAfterGrace();
  }
}
