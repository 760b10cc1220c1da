// A recovery target in the middle of a DROP DATABASE: an earlier one that still has what is wanted, and what to say of it.

import { formatLsn } from '../backup/wal/index.js';
import type { EarlierTarget } from './database-drops.js';
import type { Replay } from './replay-check.js';

/**
 * @param isSettled the target is that of a mount which is there, and cannot be changed any more
 * @param wanted the databases that are wanted, whatever becomes of the others; undefined: nobody has said
 * @returns the target that recovery gets instead; undefined: its own
 */
export function beforeDrop(
  replay: Pick<Replay, 'beforeDrop' | 'invalid'>,
  isSettled: boolean,
  wanted: readonly string[] | undefined,
  warn: (text: string) => void,
): EarlierTarget | undefined {
  const harmless = replay.beforeDrop;
  const invalid = replay.invalid.filter(({ before }) => !harmless || before.target.lsn < harmless.target.lsn);
  const lost = isSettled ? undefined : invalid.find(({ name }) => wanted?.includes(name));
  const earlier = lost?.before ?? harmless;
  if (earlier !== undefined) {
    const at = formatLsn(earlier.target.lsn);
    if (isSettled)
      warn(
        `a DROP DATABASE was under way at the target, and its files will be gone: a new mount with --recovery-target-lsn ${at} has them`,
      );
    else if (lost === undefined)
      warn(`a DROP DATABASE was under way at the target: recovery ends before it removes the files, at ${at}`);
    else
      warn(
        `a DROP DATABASE of ${lost.name} was under way at the target: recovery ends before it began, at ${at}; nobody could write to it since, but to other databases`,
      );
  }
  for (const { name, before } of wanted === undefined ? invalid : []) {
    warn(
      `nobody can connect to the database ${name} at the target: its DROP DATABASE was under way, or was interrupted; --recovery-target-lsn ${formatLsn(before.target.lsn)} is before it`,
    );
  }
  return isSettled ? undefined : earlier;
}
