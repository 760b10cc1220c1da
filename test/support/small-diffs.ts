// Diffs over the small chain, mounted in this process, for tests of what a next mount makes of them.

import { readdirSync } from 'node:fs';
import { DirectOverlay } from './direct-overlay.js';
import { scratchDirectory, writeSmallCatalog } from './small-catalog.js';

export interface SmallDiffs {
  /** Path of a diff that does not exist yet. */
  readonly newDiff: () => string;
  readonly mount: (diff: string, afterPowerLoss?: boolean) => DirectOverlay;
  /** Names of the diff's objects and their maps. */
  readonly objects: (diff: string) => string[];
}

/** A catalog of its own, removed when the tests of the file are over. */
export function smallDiffs(): SmallDiffs {
  const root = scratchDirectory();
  const catalog = writeSmallCatalog(`${root}/catalog`);
  let diffs = 0;
  return {
    newDiff: () => `${root}/diff${diffs++}`,
    mount: (diff, afterPowerLoss = false) => new DirectOverlay({ catalog, diff, afterPowerLoss }),
    objects: (diff) => readdirSync(`${diff}/objects`),
  };
}
