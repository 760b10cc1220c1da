// Which page streams a datafile is built from and how long it is (format page 7.1 to 7.3).

import { PbkfsError } from '../errors.js';
import { displayPath } from './byte-path.js';
import { COMPRESS_ALGS_HINT, compressAlgs } from './codec/names.js';
import { BLCKSZ, NO_CAP } from './constants.js';
import { type ListEntry, segnoOf, UNCHANGED, UNKNOWN_BLOCKS } from './content-list.js';
import { firstBlockOf } from './first-block.js';
import { type Layer, storedFile } from './member.js';
import {
  fileCrcKind,
  fullSizeMayBeCompressed,
  hasEmptyRecords,
  hasTruncationMarkers,
  paddedPayloads,
  storesZeroPages,
} from './program-version.js';
import { brokenChain } from './resolve-raw.js';
import { markedLength, scanLength } from './stream-length.js';
import type { BackupInfo, DatafileSource, HeaderChunk, StreamPart } from './types.js';

/**
 * Collects the streams newest first with their caps. The cap is the smallest length that the member itself or any newer
 * one gives: blocks an older, longer version of the relation had must not shine through, even where `restore` lets
 * them (7.2). Size 0 and "not listed" mean length 0; an unknown length does not lower the cap.
 * @param layers FULL first
 * @param file number of a data file that the target lists
 * @param segmentBlocks blocks of a full segment file of this cluster
 * @throws PbkfsError backup_damaged when the chain contradicts itself; page_damaged when the length has to be found by
 *   reading streams and one is damaged
 */
export function resolveDatafile(
  layers: readonly Layer[],
  path: string,
  file: number,
  segmentBlocks: number,
): DatafileSource {
  const target = layers.at(-1)!;
  const parts: StreamPart[] = [];
  let cap = NO_CAP;
  // Streams newer than the newest member whose length is known; they alone are read when the target's is not.
  let unknownParts: number | undefined;
  let knownLength = 0;
  let readWhole: DatafileSource['readWhole'] = null;
  for (let layer: Layer | undefined = target; layer !== undefined && cap > 0; ) {
    const entry: ListEntry = layer.list.entry(file)!;
    const { size } = entry;
    if (size === 0) break;
    const stored = size === UNCHANGED ? undefined : streamPart(layer, path, entry);
    const nBlocks = stored === undefined ? entry.nBlocks : blocksOf(stored);
    if (nBlocks !== UNKNOWN_BLOCKS) {
      if (unknownParts === undefined) [unknownParts, knownLength] = [parts.length, nBlocks];
      cap = Math.min(cap, nBlocks);
      if (storesZeroPages(layer.backup)) readWhole ??= { backupId: layer.backup.id, blocks: cap };
    }
    if (stored !== undefined) parts.push({ ...stored, cap });
    layer = parentOf(layers, layer, path, file, size === UNCHANGED);
  }
  const nBlocks =
    unknownParts === 0
      ? knownLength
      : scanLength(parts.slice(0, unknownParts ?? parts.length), knownLength, segmentBlocks);
  const first = firstBlockOf(segnoOf(target.list.entry(file)!, path), segmentBlocks);
  return { kind: 'datafile', path, length: nBlocks * BLCKSZ, nBlocks, ...first, layers: parts, readWhole };
}

/** Whether the length that a list gives for a file stored in this backup may be too long: see blocksOf. */
export function lengthMayBeCut(backup: BackupInfo): boolean {
  return hasTruncationMarkers(backup.version);
}

/**
 * The length by the list, unless a marker cuts the stream: DELTA backups before 2.3.0 counted the block that they did not
 * find any more. A damaged stream keeps the listed length; whoever reads it is told.
 */
function blocksOf(part: StreamPart): number {
  if (part.nBlocks === UNKNOWN_BLOCKS || !part.truncationMarkers) return part.nBlocks;
  try {
    return Math.min(part.nBlocks, markedLength(part) ?? part.nBlocks);
  } catch (error) {
    if (error instanceof PbkfsError) return part.nBlocks;
    throw error;
  }
}

/**
 * Follows "unchanged since the parent" to the first member that says more, and checks that there is one.
 * @param file number of a data file that the target lists
 * @throws PbkfsError backup_damaged
 */
export function requireOlderCopy(layers: readonly Layer[], path: () => string, file: number): void {
  let layer: Layer | undefined = layers.at(-1)!;
  while (layer?.list.isUnchanged(file)) {
    const parent: Layer | undefined = layers[layer.layer - 1];
    // What is wrong, if anything, is told by the function that finds it.
    layer = parent?.list.isDatafile(file) ? parent : parentOf(layers, layer, path(), file, true);
  }
}

/**
 * The next older member if it lists the file, which must then be a data file there, or a directory, below which nothing
 * counts; "unchanged" needs that it does.
 */
function parentOf(
  layers: readonly Layer[],
  layer: Layer,
  path: string,
  file: number,
  unchanged: boolean,
): Layer | undefined {
  const parent = layers[layer.layer - 1];
  const above = layer.backup.id;
  if (parent === undefined) {
    if (unchanged) throw brokenChain(path, `it is "unchanged" in the FULL backup ${above}`);
    return undefined;
  }
  if (!parent.list.has(file)) {
    if (unchanged)
      throw brokenChain(path, `it is "unchanged" in backup ${above}, but backup ${parent.backup.id} does not list it`);
    return undefined;
  }
  // As restore has it: an empty file.
  if (parent.list.isDirectory(file)) return undefined;
  if (!parent.list.isDatafile(file)) {
    throw brokenChain(path, `it is a data file in backup ${above}, but not in backup ${parent.backup.id}`);
  }
  return parent;
}

/**
 * The stream a member stores for an entry of its list, by itself: newer members may cap it.
 * @throws PbkfsError backup_unsupported for an unknown codec
 */
export function streamPart(member: Omit<Layer, 'list'>, path: string, entry: ListEntry): StreamPart {
  const { backup, layer } = member;
  const compressAlg = compressAlgs[entry.alg];
  if (compressAlg === undefined) {
    throw new PbkfsError(
      'backup_unsupported',
      `backup ${backup.id}, file ${displayPath(path)}: unknown compression algorithm`,
      { hint: COMPRESS_ALGS_HINT },
    );
  }
  return {
    layer,
    backupId: backup.id,
    file: storedFile(member, path),
    storedSize: entry.size,
    compressAlg,
    padded: paddedPayloads(backup.version),
    cap: NO_CAP,
    crc: entry.crc,
    crcKind: fileCrcKind(backup.version),
    header: headerChunk(backup, entry),
    full: backup.mode === 'FULL',
    merged: backup.mergeTime !== undefined,
    nBlocks: entry.nBlocks,
    truncationMarkers: hasTruncationMarkers(backup.version),
    emptyRecords: hasEmptyRecords(backup.version, backup.mode),
    fullSizeMayBeCompressed: fullSizeMayBeCompressed(backup.version) && compressAlg !== 'none',
    pageChecksums: backup.checksumVersion !== 0,
  };
}

function headerChunk(backup: BackupInfo, entry: ListEntry): HeaderChunk | null {
  const { nHeaders, headerOff: off, headerSize: size, headerCrc: crc } = entry;
  // Before 2.4.0 there was no map, whatever a list may say.
  if (nHeaders === 0 || paddedPayloads(backup.version)) return null;
  return { file: `${backup.directory}/page_header_map`, off, size, crc, nHeaders };
}
