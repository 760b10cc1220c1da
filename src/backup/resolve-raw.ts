// Which stored copy of a raw file the target sees (format page 7.4).

import { PbkfsError } from '../errors.js';
import { displayPath } from './byte-path.js';
import { UNCHANGED } from './content-list.js';
import { type Member, storedFile } from './member.js';
import { fileCrcKind } from './program-version.js';
import type { RawSource } from './types.js';

/**
 * Walks from the target to older members until one holds the whole file; size 0 is an empty file.
 * @param members FULL first
 * @throws PbkfsError backup_damaged when a member that should hold an older copy does not list the file as such
 */
export function resolveRaw(members: readonly Member[], path: string, row: number): RawSource {
  let member = members.at(-1)!;
  let at = row;
  const target = member.list;
  while (member.list.size[at] === UNCHANGED) {
    const parent = members[member.layer - 1];
    const above = member.backup.id;
    if (parent === undefined) throw brokenChain(path, `it is "unchanged" in the FULL backup ${above}`);
    at = parent.list.find(path);
    if (at < 0)
      throw brokenChain(path, `it is "unchanged" in backup ${above}, but backup ${parent.backup.id} does not list it`);
    if (parent.list.isDirectory(at) || parent.list.isDatafile(at)) {
      throw brokenChain(path, `it is a plain file in backup ${above}, but not in backup ${parent.backup.id}`);
    }
    member = parent;
  }
  const { list, backup, layer } = member;
  const crcKind = fileCrcKind(backup.version);
  const unchangedCrc = target.crc[row]!;
  if (
    list !== target &&
    unchangedCrc !== 0 &&
    unchangedCrc !== list.crc[at] &&
    fileCrcKind(members.at(-1)!.backup.version) === crcKind
  ) {
    throw brokenChain(
      path,
      `its CRC in backup ${members.at(-1)!.backup.id} differs from that of the copy in backup ${backup.id}`,
    );
  }
  const size = list.size[at]!;
  return {
    kind: 'raw',
    path,
    size,
    file: size === 0 ? null : storedFile(member, path),
    crc: list.crc[at]!,
    crcKind,
    layer,
    backupId: backup.id,
  };
}

/** A chain that contradicts itself about a file. */
export function brokenChain(path: string, why: string): PbkfsError {
  return new PbkfsError('backup_damaged', `file ${displayPath(path)}: ${why}`, {
    hint: 'the chain is broken: validate it with pg_probackup, or choose another backup',
  });
}
