// Which stored copy of a raw file the target sees (format page 7.4).

import { PbkfsError } from '../errors.js';
import { displayPath } from './byte-path.js';
import { UNCHANGED } from './content-list.js';
import { type Layer, storedFile } from './member.js';
import { fileCrcKind } from './program-version.js';
import type { RawSource } from './types.js';

/**
 * Walks from the target to older members until one holds the whole file; size 0 is an empty file.
 * @param layers FULL first
 * @param file number of a file that the last of them lists
 * @throws PbkfsError backup_damaged when a member that should hold an older copy does not list the file as such
 */
export function resolveRaw(layers: readonly Layer[], path: string, file: number): RawSource {
  const target = layers.at(-1)!;
  const shown = target.list.entry(file)!;
  let layer = target;
  let entry = shown;
  while (entry.size === UNCHANGED) {
    const parent = layers[layer.layer - 1];
    const above = layer.backup.id;
    if (parent === undefined) throw brokenChain(path, `it is "unchanged" in the FULL backup ${above}`);
    const older = parent.list.entry(file);
    if (older === undefined)
      throw brokenChain(path, `it is "unchanged" in backup ${above}, but backup ${parent.backup.id} does not list it`);
    if (older.isDirectory || older.isDatafile) {
      throw brokenChain(path, `it is a plain file in backup ${above}, but not in backup ${parent.backup.id}`);
    }
    [layer, entry] = [parent, older];
  }
  const { backup } = layer;
  const crcKind = fileCrcKind(backup.version);
  if (
    layer !== target &&
    shown.crc !== 0 &&
    shown.crc !== entry.crc &&
    fileCrcKind(target.backup.version) === crcKind
  ) {
    throw brokenChain(
      path,
      `its CRC in backup ${target.backup.id} differs from that of the copy in backup ${backup.id}`,
    );
  }
  const { size, crc } = entry;
  return {
    kind: 'raw',
    path,
    size,
    file: size === 0 ? null : storedFile(layer, path),
    crc,
    crcKind,
    layer: layer.layer,
    backupId: backup.id,
  };
}

/** A chain that contradicts itself about a file. */
export function brokenChain(path: string, why: string): PbkfsError {
  return new PbkfsError('backup_damaged', `file ${displayPath(path)}: ${why}`, {
    hint: 'the chain is broken: validate it with pg_probackup, or choose another backup',
  });
}
