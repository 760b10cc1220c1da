// Whether the content lists of a chain are still the ones that a digest was made of.

import fs from 'node:fs';
import type { Chain } from '../types.js';
import { listPath } from './list-file.js';

export interface ChainIdentity {
  /** For each list: its place, which file it is (inode, size, times), and its CRC by backup.control. */
  readonly key: string;
  /** The part of the key that stays when the chain changes, so that a newer digest replaces the older one. */
  readonly place: string;
  /** Bytes of all lists. */
  readonly bytes: number;
  /** When one of the lists last changed, in ms since 1970. */
  readonly changedAt: number;
  /** When the lists were looked at, in ms since 1970. */
  readonly seenAt: number;
}

/** A file system may give two changes the same time when they are no further apart than this, in ms. */
const COARSE_TIME = 2000;

/**
 * @returns undefined where nothing vouches for a list's content: a backup without content-crc, or a list that is not there
 */
export function identifyLists({ members, target }: Chain): ChainIdentity | undefined {
  const seenAt = Date.now();
  const lists: unknown[] = [];
  let bytes = 0;
  let changedAt = 0;
  for (const { directory, id, contentCrc } of members) {
    if (contentCrc === 0) return undefined;
    const stats = fs.statSync(listPath(directory), { bigint: true, throwIfNoEntry: false });
    if (stats === undefined) return undefined;
    const { ino, size, mtimeNs, ctimeNs } = stats;
    lists.push([directory, id, contentCrc, `${ino}`, `${size}`, `${mtimeNs}`, `${ctimeNs}`]);
    bytes += Number(size);
    changedAt = Math.max(changedAt, Number(mtimeNs / 1_000_000n), Number(ctimeNs / 1_000_000n));
  }
  return { key: JSON.stringify(lists), place: JSON.stringify([target.directory]), bytes, changedAt, seenAt };
}

/** Whether a change of the lists since they were seen at `seenAt` must show in their times. */
export function isSettled({ changedAt }: ChainIdentity, seenAt: number): boolean {
  return changedAt + COARSE_TIME < seenAt;
}
