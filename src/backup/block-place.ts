// Explaining a block index to people: where a block is stored, and what vouches for it.

import { INFO_HAS_CHECKSUM, INFO_LOST, INFO_OWN_CHECKSUM, INFO_SIZE, INFO_UNKNOWN, infoLayer } from './block-info.js';
import { isZeroPage, pageChecksum } from './page-checksum.js';
import { PD_CHECKSUM } from './page-header.js';
import type { BlockIndex, DatafileSource, StreamPart } from './types.js';

export interface BlockPlace {
  readonly part: StreamPart;
  /** File offset of the record header. */
  readonly offset: number;
  /** Bytes behind that header. */
  readonly size: number;
  /** What its content is compared with when it is read. */
  readonly known: 'header map' | 'page' | 'none';
}

/** @returns undefined for a block that no backup holds: zeros, or a lost one */
export function blockPlace(source: DatafileSource, index: BlockIndex, block: number): BlockPlace | undefined {
  const info = index.info[block]!;
  const size = info & INFO_SIZE;
  if (size === 0 || size === INFO_LOST) return undefined;
  const known = (info & INFO_HAS_CHECKSUM) !== 0 ? 'header map' : (info & INFO_OWN_CHECKSUM) !== 0 ? 'page' : 'none';
  const part = source.layers[infoLayer(info)]!;
  return { part, offset: index.offset[block]!, size: size === INFO_UNKNOWN ? 0 : size, known };
}

/**
 * pd_checksum of a page, and what it should be; both 0 for an empty one.
 * @param absoluteBlock DatafileSource.firstBlock + block
 */
export function blockChecksums(page: Buffer, absoluteBlock: number): { stored: number; computed: number } {
  if (isZeroPage(page, 0)) return { stored: 0, computed: 0 };
  return { stored: page.readUInt16LE(PD_CHECKSUM), computed: pageChecksum(page, 0, absoluteBlock) };
}
