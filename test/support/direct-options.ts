// What a test may choose of a DirectOverlay, and what an overlay is told for it.

import { openCatalog, resolveChain, type VerifyMode } from '../../src/backup/index.js';
import type { OverlayOptions } from '../../src/overlay/overlay-options.js';

export interface DirectOptions {
  /** root of the catalog */
  readonly catalog: string;
  readonly instance?: string;
  /** default: latest */
  readonly backup?: string;
  /** mount a CORRUPT or ORPHAN backup */
  readonly force?: boolean;
  readonly diff: string;
  readonly mountpoint?: string;
  readonly materializeOnRead?: boolean;
  readonly afterPowerLoss?: boolean;
  /** bytes */
  readonly diffLimit?: number;
  readonly noWal?: boolean;
  /** what is written to open files goes past the overlay, as the kernel does with a mount's --passthrough */
  readonly passthrough?: boolean;
  readonly verify?: VerifyMode;
  /** descriptors the data engine may keep open */
  readonly fdLimit?: number;
  /** size from which the journal may be shortened, in bytes */
  readonly compactJournalFrom?: number;
}

/** @throws what is wrong with the catalog or the chain */
export function overlayOptions(
  options: DirectOptions,
  owner: { readonly uid: number; readonly gid: number },
  warn: (message: string) => void,
): OverlayOptions {
  const { catalog, instance = 'main', backup = 'latest', force = false } = options;
  const { compactJournalFrom } = options;
  return {
    chain: resolveChain(openCatalog(catalog), instance, backup, { force }),
    diff: options.diff,
    mountpoint: options.mountpoint ?? '/mnt/direct',
    ...owner,
    afterPowerLoss: options.afterPowerLoss ?? false,
    ...(compactJournalFrom === undefined ? {} : { compactJournalFrom }),
    diffLimit: options.diffLimit,
    noWal: options.noWal ?? false,
    warn,
  };
}
