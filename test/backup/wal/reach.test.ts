// What recovery of a backup can reach, by what the end of the WAL says and what backup.control does not.

import t from 'tap';
import type { BackupInfo } from '../../../src/backup/index.js';
import type { WalPath } from '../../../src/backup/wal/index.js';
import { reachAlong, reachText } from '../../../src/backup/wal/reach.js';
import { history, NOON, SECOND, SEGMENT, world } from './target-world.js';

const NOON_SECONDS = NOON / SECOND;
/** What is asked of a backup. */
const backup = (recoveryTime?: number): BackupInfo => ({ recoveryTime }) as BackupInfo;

t.test('a transaction that ended before the backup was consistent is none to recover to', async (t) => {
  const path = world(t, history(6)).path();
  const { records } = history(6);
  const reach = { timeline: 1, firstLsn: records[2], lastLsn: records.at(-1) };
  const lastTime = NOON + 5 * SECOND;
  const [before, after] = [NOON_SECONDS + 5, NOON_SECONDS + 6];
  t.strictSame(reachAlong(path, backup(before)), { ...reach, firstTime: before * SECOND, lastTime }, 'the same second');
  t.strictSame(reachAlong(path, backup(after)), { ...reach, firstTime: after * SECOND, lastTime: undefined });
  const unknown = reachAlong(path, backup());
  t.strictSame(unknown, { ...reach, firstTime: undefined, lastTime }, 'when it is consistent is not known');
  t.match(reachText(unknown), /^times before 2026-11-21 12:00:05\+00, LSNs from 0\/\S+ to 0\/\S+$/);
});

t.test('without the WAL that makes it consistent nothing can be reached', async (t) => {
  const at = (consistent: number, lastRecord: number | undefined): string =>
    reachText(
      reachAlong(
        { timeline: 1, consistent, segmentSize: SEGMENT, end: () => ({ lastRecord, lastTime: NOON }) } as WalPath,
        backup(),
      ),
    );
  t.equal(at(3 * SEGMENT + 40, undefined), 'nothing');
  t.equal(at(3 * SEGMENT + 40, 3 * SEGMENT - 8), 'nothing', 'it ends a segment too early');
  t.match(at(3 * SEGMENT + 40, 3 * SEGMENT + 40), /^times before/);
  t.match(
    at(3 * SEGMENT, 3 * SEGMENT - 8),
    /^times before/,
    'a stop-lsn at the start of a segment needs nothing of it',
  );
  t.equal(at(3 * SEGMENT, 2 * SEGMENT - 8), 'nothing');
});
