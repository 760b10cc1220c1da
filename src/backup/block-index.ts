// Building a datafile's block index: for every block the newest stream that may supply it.

import fs from 'node:fs';
import { PbkfsError } from '../errors.js';
import {
  INFO_HAS_CHECKSUM,
  INFO_MAX_LAYER,
  INFO_OWN_CHECKSUM,
  INFO_UNKNOWN,
  infoLayer,
  packInfo,
} from './block-info.js';
import { displayPath } from './byte-path.js';
import { damagedBlock, damagedFile, openStored } from './damage.js';
import { readHeaderMap } from './header-map.js';
import { markLost } from './lost-blocks.js';
import { crcDoubt } from './stream-crc.js';
import { walkStream } from './stream-walk.js';
import type { BlockIndex, DatafileSource, StreamPart } from './types.js';

export interface IndexReport {
  /** What was wrong without stopping anything, such as a header map that could not be used. For the log. */
  readonly problems: string[];
}

/** An index of nBlocks holes, in memory of its own. */
export function createBlockIndex(nBlocks: number): BlockIndex {
  return {
    offset: new Uint32Array(nBlocks),
    info: new Uint32Array(nBlocks),
    checksum: new Uint16Array(nBlocks),
  };
}

/**
 * Fills the index, newest stream first: from the header map where it is there and sane, else by one walk of the stream.
 * A block that no stream supplies stays a hole (zeros), or is marked as lost. The caller publishes the index to other threads afterwards.
 * @throws PbkfsError page_damaged when a stream is damaged, or when the FULL lacks a block below its length that no newer
 *   stream supplies
 */
export function buildBlockIndex(source: DatafileSource, index: BlockIndex): IndexReport {
  const problems: string[] = [];
  if (source.layers.length > INFO_MAX_LAYER + 1) {
    throw new PbkfsError(
      'backup_unsupported',
      `file ${displayPath(source.path)}: more than ${INFO_MAX_LAYER + 1} layers`,
      { hint: 'shorten the chain with "pg_probackup merge"' },
    );
  }
  index.info.fill(0);
  let cap = source.nBlocks;
  source.layers.forEach((part, layer) => {
    // All offsets of a stream must fit the index; pg_probackup's own int positions end at 2 GiB.
    if (part.storedSize > 0xffffffff)
      throw damagedFile(part.backupId, part.file, `a stream of ${part.storedSize} bytes`);
    cap = Math.min(cap, part.cap);
    const fill: Fill = (block, size, offset, checksum) => {
      if (block >= cap || index.info[block] !== 0) return;
      index.offset[block] = offset;
      index.info[block] = packInfo(layer, size, checksum === NO_CHECKSUM ? 0 : INFO_HAS_CHECKSUM);
      if (checksum !== NO_CHECKSUM) index.checksum[block] = checksum;
    };
    const { end, truncatedTo, hasGaps, doubtful } = indexPart(part, fill, problems);
    if (doubtful) markOwn(index, layer);
    if (truncatedTo !== undefined && truncatedTo < cap) {
      // The marker also cuts what its own stream wrote before it.
      dropBlocks(index, layer, truncatedTo, cap);
      if (!doubtful) cap = truncatedTo;
    }
    if (doubtful) markUnknown(index, layer, cap);
    // Only a CRC can tell the zeros that a merge left from those of a damaged file.
    if (part.full && !(hasGaps && part.crc !== 0)) requireNoGap(part, index, cap, end);
  });
  markLost(source, index);
  return { problems };
}

const NO_CHECKSUM = -1;

type Fill = (block: number, size: number, offset: number, checksum: number) => void;

interface PartSummary {
  /** Highest block + 1. */
  end: number;
  truncatedTo: number | undefined;
  hasGaps: boolean;
  /** The stream is damaged somewhere; its pages have to prove themselves one by one. */
  doubtful: boolean;
}

function indexPart(part: StreamPart, fill: Fill, problems: string[]): PartSummary {
  const fd = openStored(part.backupId, part.file, part.storedSize);
  try {
    if (part.header !== null) {
      const entries = readHeaderMap(part, part.header);
      if (typeof entries !== 'string') {
        for (let i = 0; i < entries.count; i++)
          fill(entries.block(i), entries.size(i), entries.pos(i), entries.checksum(i));
        return { end: entries.block(entries.count - 1) + 1, truncatedTo: undefined, hasGaps: false, doubtful: false };
      }
      problems.push(mapProblem(part, entries));
    } else if (!part.padded) {
      problems.push(mapProblem(part, 'the list has no place for it'));
    }
    const { end, truncatedTo, hasGaps, records, crc } = walkStream(part, fd, (block, size, offset) =>
      fill(block, size, offset, NO_CHECKSUM),
    );
    if (part.header !== null && records !== part.header.nHeaders) {
      throw damagedFile(part.backupId, part.file, `it holds ${records} pages, ${part.header.nHeaders} are listed`);
    }
    const doubt = crcDoubt(part, fd, crc);
    if (doubt !== undefined) {
      if (!part.pageChecksums) throw doubt;
      problems.push(`${doubt.message}; only pages with a right checksum of their own are served`);
    }
    return { end, truncatedTo, hasGaps, doubtful: doubt !== undefined };
  } finally {
    fs.closeSync(fd);
  }
}

function mapProblem(part: StreamPart, why: string): string {
  return `backup ${part.backupId}, file ${displayPath(part.file)}: page_header_map not usable (${why}); the stream was read instead`;
}

function markOwn(index: BlockIndex, layer: number): void {
  for (let block = 0; block < index.info.length; block++) {
    const info = index.info[block]!;
    if (info !== 0 && infoLayer(info) === layer) index.info[block] = (info | INFO_OWN_CHECKSUM) >>> 0;
  }
}

/** A block that a damaged stream seems to lack may be one whose number was damaged. */
function markUnknown(index: BlockIndex, layer: number, to: number): void {
  for (let block = 0; block < to; block++) {
    if (index.info[block] === 0) index.info[block] = packInfo(layer, INFO_UNKNOWN, 0);
  }
}

function dropBlocks(index: BlockIndex, layer: number, from: number, to: number): void {
  for (let block = from; block < to; block++) {
    const info = index.info[block]!;
    if (info !== 0 && infoLayer(info) === layer) index.info[block] = 0;
  }
}

/** A FULL stores every block, zero pages too; one that is missing and that nobody newer supplies is damage. */
function requireNoGap(part: StreamPart, index: BlockIndex, cap: number, end: number): void {
  // A merge may take over the target's length without its trailing zero pages, which no member ever stored (7.3).
  const length = part.nBlocks < 0 || part.merged ? end : part.nBlocks;
  const limit = Math.min(cap, length);
  for (let block = 0; block < limit; block++) {
    if (index.info[block] === 0)
      throw damagedBlock(part.backupId, part.file, block, 'the FULL backup does not hold it');
  }
}
