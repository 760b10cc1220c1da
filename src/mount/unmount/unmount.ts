// Taking a mount away and making sure that everything it held is on disk.

import { given } from '../../given.js';
import { cureStale } from '../cure-stale.js';
import { findMounted, type Owner } from '../mounted.js';
import { unregister } from '../registry.js';
import { comesUp, unseenOn } from './coming-up.js';
import { type Gone, placesOf } from './other-namespaces.js';
import { processEnd } from './process-end.js';
import { endConnection, takeOff, takeOffWhenFree } from './take-off.js';
import type { UnmountOptions } from './unmount-options.js';

export type Unmounted =
  | { readonly kind: 'clean'; readonly mountpoint: string; readonly diff: string | undefined }
  /** The mount was dead already: its process had been killed. */
  | { readonly kind: 'cured'; readonly mountpoint: string; readonly diff: string | undefined }
  /** Out of sight; it goes on for those who use it, and ends with the last of them. */
  | { readonly kind: 'detached'; readonly mountpoint: string; readonly diff: string | undefined }
  /** Unmounted, but nobody knows the process behind it, so there was nothing to wait for. */
  | {
      readonly kind: 'unknown';
      readonly mountpoint: string;
      /** Where it goes on: what was unmounted was a bind mount of it. */
      readonly goesOnAt?: string;
    };

/**
 * Unmounts and returns once the mount process has ended and its diff is durable and unlocked.
 * @throws PbkfsError not_mounted; mount_busy naming the holders (nothing has changed then), or the process that does not
 * come to its end (it is unmounted then); mount_failed when the last sync failed
 */
export async function unmount(path: string, options: UnmountOptions = {}): Promise<Unmounted> {
  const { how = 'polite' } = options;
  const unseen = unseenOn(path);
  if (unseen !== undefined) {
    if (await comesUp(unseen, options)) return unmount(path, options);
    return finish(unseen, { mountpoint: unseen.mountpoint, device: unseen.device }, options);
  }
  const { mountpoint, entry, owner } = findMounted(path);
  if (cureStale(mountpoint) > 0) {
    if (owner !== undefined) unregister(mountpoint, owner);
    return { kind: 'cured', mountpoint, diff: owner?.diff };
  }
  if (how === 'lazy') {
    takeOff(mountpoint, 'detach');
    return { kind: 'detached', mountpoint, diff: owner?.diff };
  }
  if (how === 'force') endConnection(mountpoint, entry);
  else await takeOffWhenFree(mountpoint, options);
  const gone = { mountpoint, device: entry.device };
  if (owner !== undefined) return finish(owner, gone, options);
  const [goesOnAt] = placesOf(entry.device);
  return { kind: 'unknown', mountpoint, ...given({ goesOnAt }) };
}

async function finish(owner: Owner, gone: Gone, options: UnmountOptions): Promise<Unmounted> {
  await processEnd(owner, gone, options);
  return { kind: 'clean', mountpoint: owner.mountpoint, diff: owner.diff };
}
