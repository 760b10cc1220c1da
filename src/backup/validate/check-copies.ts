// Blocks of databases whose files were being copied, without a record for each page, while a backup listed them: that backup
// has the files as long as they were by then, and the PAGE or PTRACK behind it has what WAL or the map names (format page 7.6).

import { buildBlockIndex, createBlockIndex } from '../block-index.js';
import { openCatalog } from '../catalog.js';
import { type DatabasePlace, formatLsn, type Lsn, parseLsnNumber, WalPath } from '../wal/index.js';
import { blocksWhere, lostProblems } from './lost-problems.js';
import { type CopiesCheck, type GrownFile, isSame } from './plan-copies.js';
import type { Problem } from './problem.js';
import { tolerantly } from './tolerantly.js';

/** @returns nothing when a stream is damaged: its own check tells it */
export function checkCopies(check: CopiesCheck): Problem[] {
  const suspects = check.files.map((file) => ({ file, holes: holesOf(file) })).filter(({ holes }) => holes.length > 0);
  if (suspects.length === 0) return [];
  const { copies, stumble } = copiesBetween(check);
  return suspects.flatMap(({ file: { source, place, originals }, holes }) => {
    const at = { backup: check.backup.id, file: source.path };
    const while_ = `was being copied while backup ${check.parent.id} was made`;
    const copy = copies.find(({ to }) => isSame(to, place));
    const lengths = originals.filter((one) => copy === undefined || isSame(one, copy.from)).map(({ blocks }) => blocks);
    const lost = holes.filter((block) => block < Math.max(0, ...lengths));
    if (copy !== undefined) {
      const why = `no backup of the chain holds it: its database ${while_} (WAL record at ${formatLsn(copy.lsn)})`;
      return lostProblems(at, lost, why);
    }
    if (stumble === undefined || lost.length === 0) return [];
    const message = `${lost.length} of its blocks, from block ${lost[0]}, may be lost: perhaps its database ${while_}, and ${stumble}`;
    return [{ kind: 'suspected', ...at, message }];
  });
}

/** Blocks that the target shows as zeros because no backup holds them. */
function holesOf({ source, from, end }: GrownFile): number[] {
  const index = createBlockIndex(source.nBlocks);
  if (tolerantly(() => buildBlockIndex(source, index)) === undefined) return [];
  return blocksWhere(end, (block) => block >= from && index.info[block] === 0);
}

interface Copy {
  readonly lsn: Lsn;
  readonly from: DatabasePlace;
  readonly to: DatabasePlace;
}

/** Databases that were copied from the parent's start to the backup's. @returns in `stumble` why not all WAL could be read */
function copiesBetween(check: CopiesCheck): { copies: Copy[]; stumble?: string } {
  const copies: Copy[] = [];
  const stop = parseLsnNumber(check.backup.startLsn ?? '');
  const path = tolerantly(
    () => new WalPath(openCatalog(check.catalog), check.instance, check.parent, check.backup.timeline ?? 'current'),
  );
  if (!stop || path === undefined) return { copies, stumble: 'the WAL between the two cannot be found' };
  const read = tolerantly(() => {
    for (const event of path.events(undefined, stop)) if (event.kind === 'copy-database') copies.push(event);
    return true;
  });
  if (read === true && path.fault === undefined) return { copies };
  return {
    copies,
    stumble: `WAL cannot be read up to ${check.backup.startLsn}${path.fault ? `: ${path.fault.message}` : ''}`,
  };
}
