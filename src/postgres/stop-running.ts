// Stopping servers that are not our children: by a signal, and a look at their processes.

import { setTimeout as sleep } from 'node:timers/promises';
import { PbkfsError } from '../errors.js';
import { isAlive, type ProcessIdentity } from '../sys/process-identity.js';
import { signal } from './processes.js';

const POLL_MS = 20;

/**
 * Tells postmasters to stop and waits until they have.
 * @param patience in ms
 * @param waiting hears for how many seconds it has waited
 * @returns those that still run
 * @throws a system error when this user may not stop one
 */
export async function stopRunning<Server extends ProcessIdentity>(
  servers: readonly Server[],
  how: NodeJS.Signals,
  patience: number,
  waiting: (seconds: number) => void = () => undefined,
): Promise<readonly Server[]> {
  for (const server of servers) signal(server, how);
  for (const began = performance.now(); ; await sleep(POLL_MS)) {
    const left = servers.filter(isAlive);
    const waited = performance.now() - began;
    if (left.length === 0 || waited >= patience) return left;
    waiting(waited / 1000);
  }
}

/** @param hint how to go on */
export function notStopped(mountpoint: string, servers: readonly ProcessIdentity[], hint: string): PbkfsError {
  const list = servers.map(({ pid }) => `process ${pid}`).join(', ');
  return new PbkfsError('mount_busy', `the PostgreSQL server on ${mountpoint} did not stop in time: ${list}`, { hint });
}
