// Which page streams a datafile is built from and how long it is (format page 7.1 to 7.3).

import { PbkfsError } from '../errors.js';
import { displayPath } from './byte-path.js';
import { BLCKSZ, NO_CAP } from './constants.js';
import { UNCHANGED, UNKNOWN_BLOCKS } from './content-list.js';
import { type Member, storedFile } from './member.js';
import { fileCrcKind, fullSizeMayBeCompressed, hasTruncationMarkers, paddedPayloads } from './program-version.js';
import { brokenChain } from './resolve-raw.js';
import { scanLength } from './stream-length.js';
import type { DatafileSource, HeaderChunk, StreamPart } from './types.js';

/**
 * Collects the streams newest first with their caps. The cap is the smallest length that the member itself or any newer
 * one gives: blocks an older, longer version of the relation had must not shine through, even where `restore` lets
 * them (7.2). Size 0 and "not listed" mean length 0; an unknown length does not lower the cap.
 * @param members FULL first
 * @throws PbkfsError backup_damaged when the chain contradicts itself; page_damaged when the length has to be found by
 *   reading streams and one is damaged
 */
export function resolveDatafile(members: readonly Member[], path: string, row: number): DatafileSource {
  const target = members.at(-1)!;
  const layers: StreamPart[] = [];
  let cap = NO_CAP;
  let at = row;
  // Streams newer than the newest member whose length is known; they alone are read when the target's is not.
  let unknownLayers: number | undefined;
  let knownLength = 0;
  for (let member = target; cap > 0; ) {
    const { list } = member;
    const size = list.size[at]!;
    if (size === 0) break;
    const nBlocks = list.nBlocks[at]!;
    if (nBlocks !== UNKNOWN_BLOCKS) {
      if (unknownLayers === undefined) [unknownLayers, knownLength] = [layers.length, nBlocks];
      cap = Math.min(cap, nBlocks);
    }
    if (size !== UNCHANGED) layers.push(streamPart(member, path, at, cap));
    at = findInParent(members, member, path, size === UNCHANGED);
    if (at < 0) break;
    member = members[member.layer - 1]!;
  }
  const nBlocks =
    unknownLayers === 0 ? knownLength : scanLength(layers.slice(0, unknownLayers ?? layers.length), knownLength);
  return { kind: 'datafile', path, length: nBlocks * BLCKSZ, nBlocks, segno: target.list.segno(row), layers };
}

/**
 * Follows "unchanged since the parent" to the first member that says more, and checks that there is one.
 * @param row an entry of the target with size -1
 * @throws PbkfsError backup_damaged
 */
export function requireOlderCopy(members: readonly Member[], path: string, row: number): void {
  let member = members.at(-1)!;
  for (let at = row; member.list.size[at] === UNCHANGED; member = members[member.layer - 1]!) {
    at = findInParent(members, member, path, true);
  }
}

/** The file's row in the next older member, or -1; "unchanged" needs a parent that knows it as a data file. */
function findInParent(members: readonly Member[], member: Member, path: string, unchanged: boolean): number {
  const parent = members[member.layer - 1];
  const above = member.backup.id;
  if (parent === undefined) {
    if (unchanged) throw brokenChain(path, `it is "unchanged" in the FULL backup ${above}`);
    return -1;
  }
  const at = parent.list.find(path);
  if (at < 0) {
    if (unchanged)
      throw brokenChain(path, `it is "unchanged" in backup ${above}, but backup ${parent.backup.id} does not list it`);
    return -1;
  }
  if (!parent.list.isDatafile(at)) {
    throw brokenChain(path, `it is a data file in backup ${above}, but not in backup ${parent.backup.id}`);
  }
  return at;
}

/** The stream a member stores for a row of its list. @throws PbkfsError backup_unsupported for an unknown codec */
export function streamPart(member: Member, path: string, row: number, cap: number): StreamPart {
  const { list, backup, layer } = member;
  const compressAlg = list.compressAlg(row);
  if (compressAlg === undefined) {
    throw new PbkfsError(
      'backup_unsupported',
      `backup ${backup.id}, file ${displayPath(path)}: unknown compression algorithm`,
    );
  }
  return {
    layer,
    backupId: backup.id,
    file: storedFile(member, path),
    storedSize: list.size[row]!,
    compressAlg,
    padded: paddedPayloads(backup.version),
    cap,
    crc: list.crc[row]!,
    crcKind: fileCrcKind(backup.version),
    header: headerChunk(member, row),
    full: backup.mode === 'FULL',
    merged: backup.mergeTime !== undefined,
    nBlocks: list.nBlocks[row]!,
    truncationMarkers: hasTruncationMarkers(backup.version, backup.mode),
    fullSizeMayBeCompressed: fullSizeMayBeCompressed(backup.version) && compressAlg !== 'none',
    pageChecksums: backup.checksumVersion !== 0,
  };
}

function headerChunk({ list, backup }: Member, row: number): HeaderChunk | null {
  const nHeaders = list.nHeaders[row]!;
  // Before 2.4.0 there was no map, whatever a list may say.
  if (nHeaders === 0 || paddedPayloads(backup.version)) return null;
  return {
    file: `${backup.directory}/page_header_map`,
    off: list.headerOff[row]!,
    size: list.headerSize[row]!,
    crc: list.headerCrc[row]!,
    nHeaders,
  };
}
