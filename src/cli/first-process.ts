// pbkfs as the first process of a PID namespace: what it leaves in the background ends with it.

import { PbkfsError } from '../errors.js';

/** @param instead what to do there. @throws PbkfsError usage */
export function refuseAsFirstProcess(instead: string, pid = process.pid): void {
  if (pid !== 1) return;
  throw new PbkfsError('usage', 'pbkfs is process 1 here (of a container, say), and all other processes end with it', {
    hint: instead,
  });
}
