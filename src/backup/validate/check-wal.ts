// Whether the WAL that makes a backup consistent is there: from its start-lsn to its stop-lsn.

import { PbkfsError } from '../../errors.js';
import type { Catalog } from '../catalog.js';
import type { Member } from '../member.js';
import type { Chain } from '../types.js';
import { DEFAULT_SEGMENT_SIZE, parseLsnNumber, segmentName, WalArchive, walDirectory } from '../wal/index.js';
import type { Problem } from './problem.js';

/**
 * Checks the WAL of a chain's target; only the target's is ever replayed. Of a STREAM backup the list must hold every
 * segment (their CRCs are checked with all other files); of an ARCHIVE backup the archive must, whole and of this place.
 * @param target undefined when its list could not be read
 */
export function checkWal(catalog: Catalog, chain: Chain, target: Member | undefined): Problem[] {
  const { id, stream, startLsn = '', stopLsn = '', timeline } = chain.target;
  const segment = catalog.config(chain.instance).xlogSegSize ?? DEFAULT_SEGMENT_SIZE;
  const problem = (file: string, message: string): Problem => ({ kind: 'wal', backup: id, file, message });
  const [start, stop] = [parseLsnNumber(startLsn), parseLsnNumber(stopLsn)];
  if (!start || !stop || timeline === undefined) {
    return [problem('backup.control', 'it does not say which WAL the backup needs')];
  }
  const first = Math.floor(start / segment);
  // The LSN one byte before: a stop-lsn at a segment's very start needs nothing of it.
  const last = Math.max(first, Math.floor((stop - 1) / segment));
  const names = [];
  for (let number = first; number <= last; number++) names.push(segmentName(timeline, number, segment));
  if (!stream) {
    const archive = new WalArchive(walDirectory(catalog.path, chain.instance));
    return names.flatMap((name) => archived(archive, name).map((message) => problem(name, message)));
  }
  if (target === undefined) return [];
  const { list } = target;
  return names.flatMap((name) => {
    const row = list.find(`pg_wal/${name}`);
    if (row < 0) return [problem(name, 'the backup needs this WAL segment and does not list it')];
    if (list.size[row] === segment) return [];
    return [problem(name, `this WAL segment has ${list.size[row]} bytes, ${segment} are needed`)];
  });
}

function archived(archive: WalArchive, name: string): string[] {
  try {
    if (archive.read(name) !== undefined) return [];
  } catch (error) {
    return [error instanceof PbkfsError ? error.message : `cannot be read: ${(error as Error).message}`];
  }
  return [`this WAL segment is neither in the backup nor in ${archive.directory}`];
}
