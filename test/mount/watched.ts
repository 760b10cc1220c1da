// A mount process started by its test instead of the launcher, so that its exit status can be seen.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { answerOf } from '../../src/mount/child-process.js';
import type { ToLauncher, ToMountProcess } from '../../src/mount/launch-messages.js';
import type { MountRequest } from '../../src/mount/request.js';
import type { SmallMount } from './small-mount.js';

const PROCESS = fileURLToPath(new URL('../../src/mount/process.js', import.meta.url));

/** How a process ended: one of both is null. */
export type Exit = readonly [status: number | null, signal: NodeJS.Signals | null];

/** First mount of `mount`, by a mount process that is our child. Returns, once it is mounted, the promise of its end. */
export async function watched(mount: SmallMount): Promise<{ exit: Promise<Exit> }> {
  const { mountpoint, diff, catalog } = mount;
  const child = spawn(process.execPath, [PROCESS, mountpoint], {
    env: { ...process.env, ...mount.env },
    cwd: '/',
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  const exit = once(child, 'exit') as Promise<unknown> as Promise<Exit>;
  const request: MountRequest = {
    ...{ mountpoint, diff, catalog, instance: 'main', backupId: 'latest' },
    ...{ force: false, afterPowerLoss: false, materializeOnRead: false },
  };
  const send = (message: ToMountProcess): boolean => child.send(message);
  send({ kind: 'request', request });
  const answer = await answerOf<ToLauncher>(child);
  if (answer.kind === 'failed') throw new Error(JSON.stringify(answer.error));
  send({ kind: 'acknowledged' });
  return { exit };
}
