// The log of a mount that has no diff to keep it in: beside the registry, as long as the mount lives or its end wants explaining.

import { readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { PbkfsError } from '../errors.js';
import { isAlive } from '../sys/process-identity.js';
import { companionFile, listRegistered, privateDirectories } from './registry.js';

/** How long the log of a mount that was killed is kept, in ms. */
const KEPT_MS = 7 * 24 * 60 * 60 * 1000;

/**
 * Where this process logs, if it is not told otherwise; the directory is made. What earlier ones have left there too long
 * ago is removed.
 * @throws PbkfsError mount_failed
 */
export function registryLogFile(mountpoint: string): string {
  // A name of its own: a mount that ends must not take away the log of the next one in its place.
  const file = companionFile(mountpoint, `${process.pid}.log`);
  if (file === undefined) {
    throw new PbkfsError('mount_failed', 'there is no directory for the log that this user may write to', {
      hint: 'name a file with --log-file, or a directory of your own with XDG_STATE_HOME',
    });
  }
  try {
    removeOld();
  } catch {
    // They cost nobody a mount.
  }
  return file;
}

function removeOld(): void {
  const used = new Set(
    listRegistered()
      .filter(isAlive)
      .map(({ logFile }) => logFile),
  );
  for (const directory of privateDirectories()) {
    for (const name of readdirSync(directory).filter((entry) => entry.endsWith('.log'))) {
      const file = join(directory, name);
      if (!used.has(file) && statSync(file).mtimeMs < Date.now() - KEPT_MS) rmSync(file, { force: true });
    }
  }
}
