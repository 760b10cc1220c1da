// What is written through a mount before a server may use it: recovery settings, and the link to WAL that lies elsewhere.

import { open } from 'node:fs/promises';
import { PbkfsError } from '../../errors.js';
import type { RecoveryConfig } from '../../postgres/recovery-config.js';
import { isMountPoint } from '../../sys/mountinfo.js';
import { fileOwner } from '../file-owner.js';
import type { MountRequest } from '../request.js';
import { relocateWal } from '../wal-dir/relocate.js';
import type { PreparedMount } from './prepare.js';
import { configure } from './recovery.js';

/** All of it is durable, and on record, once this resolves. @throws PbkfsError mount_failed when somebody has unmounted it */
export async function makeReady(
  request: MountRequest,
  prepared: PreparedMount,
  recovery: RecoveryConfig | undefined,
): Promise<void> {
  const { paths, chain } = prepared;
  const { wal } = prepared.claim;
  const owner = fileOwner(request, paths.owner);
  if (recovery !== undefined || wal !== undefined) {
    // Who unmounts it meanwhile waits: what follows must not come into the directory below.
    const root = await open(paths.mountpoint);
    try {
      if (!isMountPoint(paths.mountpoint)) throw stoppedEarly(paths.mountpoint);
      if (recovery !== undefined) await configure(recovery, paths.mountpoint, chain, owner);
      if (wal !== undefined) await relocateWal(paths.mountpoint, wal, owner);
      await root.sync();
    } finally {
      await root.close();
    }
  }
  prepared.claim.madeReady();
}

export function stoppedEarly(mountpoint: string): PbkfsError {
  return new PbkfsError('mount_failed', `the mount on ${mountpoint} was stopped before it was ready`, {
    hint: 'somebody unmounted it or ended its process; nothing is mounted',
  });
}
