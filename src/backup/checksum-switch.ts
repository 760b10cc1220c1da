// Chains over which the page checksums of the cluster were switched on.

import type { Chain } from './types.js';

/**
 * `pg_checksums --enable` writes every page and no LSN, so an increment made after it holds the changed pages only: the
 * others come from older backups, without a checksum, and a server with checksums refuses them.
 * @returns a warning for people, or none
 */
export function checksumSwitch({ members, target }: Chain): string[] {
  const before = members.findLast(({ checksumVersion }) => checksumVersion === 0);
  if (target.checksumVersion === 0 || before === undefined) return [];
  return [
    `page checksums were switched on after backup ${before.id}: pages that have not changed since have none, here and after "pg_probackup restore", and a server takes them for invalid; make a FULL backup`,
  ];
}
