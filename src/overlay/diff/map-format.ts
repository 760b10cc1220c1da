// Bytes of a block map file: identity, mark, the current image and the two durable slots.
//
//   0        identity   fixed at creation            ┐ page 0
//   3584     mark       newest sequence known durable┘
//   4096     current    header + bits   what counts after kill -9; belongs to one boot
//   4096+A   slot 0     header + bits   durable images, written in turn;
//   4096+2A  slot 1     header + bits   the valid one with the higher sequence counts after a power loss
//
// A = header + bits rounded up to 4096. All numbers little-endian. See docs/diff-format.md.

import { BLCKSZ } from '../../backup/constants.js';
import { crc32c } from '../../backup/crc.js';
import { PbkfsError } from '../../errors.js';
import { getU64, putU64, viewOf } from './little-endian.js';

const MAP_VERSION = 1;

/** Pages are what a kill or a power cut can tear apart: nothing that must be whole crosses one, but by a checksum. */
export const MAP_PAGE = 4096;

export const MARK_OFFSET = 3584;
export const IMAGE_HEADER = 80;
const IDENTITY_HEADER = 48;
const IDENTITY_MAX = MARK_OFFSET - IDENTITY_HEADER;
const MARK_BYTES = 16;
const COMPLETE = 1;

const latin1 = (text: string): Uint8Array => Buffer.from(text, 'latin1');
const IDENTITY_MAGIC = latin1('PBKFSMAP');
const MARK_MAGIC = 0x4d4b4250; // "PBKM"
const CURRENT_MAGIC = 0x434b4250; // "PBKC"
const DURABLE_MAGIC = 0x444b4250; // "PBKD"

/** What a map says about itself and never changes. */
export interface MapIdentity {
  /** 32 hex digits. */
  readonly objectId: string;
  /** Which base file the absent blocks come from; a byte string (latin1), at most 3536 bytes. */
  readonly baseIdentity: string;
  /** Length of the base file in bytes; it fixes how many bits the map has. */
  readonly baseLength: number;
}

/** One image of the map. `bits` is little-endian, bit n of byte n/8 is block n, padded to 8 bytes. */
export interface MapImage {
  readonly sequence: number;
  readonly length: number;
  readonly baseLimit: number;
  readonly complete: boolean;
  readonly bits: Uint8Array;
}

/** Number of blocks that need a bit: those the base can supply. */
export function mappedBlocks(baseLength: number): number {
  return Math.ceil(baseLength / BLCKSZ);
}

/** Bytes of the bit set, a multiple of 8. */
export function bitsBytes(baseLength: number): number {
  return Math.ceil(mappedBlocks(baseLength) / 64) * 8;
}

/** Offsets of the areas of a map. */
export function mapLayout(baseLength: number): { current: number; slots: readonly [number, number]; end: number } {
  const area = Math.ceil((IMAGE_HEADER + bitsBytes(baseLength)) / MAP_PAGE) * MAP_PAGE;
  return { current: MAP_PAGE, slots: [MAP_PAGE + area, MAP_PAGE + 2 * area], end: MAP_PAGE + 3 * area };
}

/** Blocks of 8 KiB that the file of a map takes, its holes included. */
export function mapBlocks(baseLength: number): number {
  return Math.ceil(mapLayout(baseLength).end / BLCKSZ);
}

const hexBytes = (hex: string): Uint8Array => Buffer.from(hex, 'hex');

/** The 16 bytes of a boot id (a UUID). */
export function bootIdBytes(bootId: string): Uint8Array {
  const bytes = hexBytes(bootId.replaceAll('-', ''));
  if (bytes.length !== 16) throw new PbkfsError('internal', `not a boot id: ${bootId}`);
  return bytes;
}

/**
 * Page 0 as it is at creation (mark empty).
 *
 *     0  magic "PBKFSMAP"   8  u32 version   12  u32 crc32c of [16, 48+n)   16  object id (16)
 *     32 u64 base length    40 u32 n         44  u32 zero                   48  base identity (n bytes)
 */
export function encodeIdentity(identity: MapIdentity): Uint8Array {
  const base = latin1(identity.baseIdentity);
  if (base.length > IDENTITY_MAX) throw new PbkfsError('internal', `base identity longer than ${IDENTITY_MAX} bytes`);
  const page = new Uint8Array(MAP_PAGE);
  const view = viewOf(page);
  page.set(IDENTITY_MAGIC, 0);
  view.setUint32(8, MAP_VERSION, true);
  page.set(hexBytes(identity.objectId), 16);
  putU64(view, 32, identity.baseLength);
  view.setUint32(40, base.length, true);
  page.set(base, IDENTITY_HEADER);
  view.setUint32(12, crc32c(page.subarray(16, IDENTITY_HEADER + base.length)), true);
  return page;
}

/** The identity on page 0, 'newer' for a version this program does not know, or undefined when it is not whole. */
export function decodeIdentity(page: Uint8Array): MapIdentity | 'newer' | undefined {
  if (page.length < MAP_PAGE || IDENTITY_MAGIC.some((byte, at) => page[at] !== byte)) return undefined;
  const view = viewOf(page);
  if (view.getUint32(8, true) !== MAP_VERSION) return 'newer';
  const length = view.getUint32(40, true);
  if (length > IDENTITY_MAX) return undefined;
  if (view.getUint32(12, true) !== crc32c(page.subarray(16, IDENTITY_HEADER + length))) return undefined;
  return {
    objectId: Buffer.from(page.subarray(16, 32)).toString('hex'),
    baseIdentity: Buffer.from(page.subarray(IDENTITY_HEADER, IDENTITY_HEADER + length)).toString('latin1'),
    baseLength: getU64(view, 32),
  };
}

/** The mark: 0 u32 crc32c of [4, 16) · 4 magic "PBKM" · 8 u64 sequence of the newest slot whose sync returned. */
export function encodeMark(sequence: number): Uint8Array {
  const bytes = new Uint8Array(MARK_BYTES);
  const view = viewOf(bytes);
  view.setUint32(4, MARK_MAGIC, true);
  putU64(view, 8, sequence);
  view.setUint32(0, crc32c(bytes.subarray(4)), true);
  return bytes;
}

/** Sequence the mark on page 0 names; 0 when there is none (or it is not whole: it is a second witness only). */
export function decodeMark(page: Uint8Array): number {
  const bytes = page.subarray(MARK_OFFSET, MARK_OFFSET + MARK_BYTES);
  const view = viewOf(bytes);
  if (view.getUint32(4, true) !== MARK_MAGIC || view.getUint32(0, true) !== crc32c(bytes.subarray(4))) return 0;
  return getU64(view, 8);
}

/**
 * Header of an image; the bits follow.
 *
 *     0  magic "PBKC" current / "PBKD" durable     4  u32 crc32c: durable of [8, 80+bits); current of [8, 80)
 *     8  u64 sequence (current: 0)                 16 u64 length in bytes        24 u64 baseLimit in bytes
 *     32 object id (16)                            48 boot id (16; durable: 0)
 *     64 u32 flags, bit 0 complete                 68 u32 bytes of bits          72 zero (8)
 */
function encodeHeader(magic: number, objectId: string, image: Omit<MapImage, 'bits'>, bytesOfBits: number): Uint8Array {
  const header = new Uint8Array(IMAGE_HEADER);
  const view = viewOf(header);
  view.setUint32(0, magic, true);
  putU64(view, 8, image.sequence);
  putU64(view, 16, image.length);
  putU64(view, 24, image.baseLimit);
  header.set(hexBytes(objectId), 32);
  view.setUint32(64, image.complete ? COMPLETE : 0, true);
  view.setUint32(68, bytesOfBits, true);
  return header;
}

/** A whole durable slot: header and bits under one checksum, so that a torn one is never believed. */
export function encodeDurable(objectId: string, image: MapImage): Uint8Array {
  const bytes = new Uint8Array(IMAGE_HEADER + image.bits.length);
  bytes.set(encodeHeader(DURABLE_MAGIC, objectId, image, image.bits.length), 0);
  bytes.set(image.bits, IMAGE_HEADER);
  viewOf(bytes).setUint32(4, crc32c(bytes.subarray(8)), true);
  return bytes;
}

/** The durable image in a slot's bytes, or undefined when it was never written, is torn or belongs to another object. */
export function decodeDurable(objectId: string, slot: Uint8Array): MapImage | undefined {
  if (slot.length < IMAGE_HEADER) return undefined;
  const view = viewOf(slot);
  if (view.getUint32(0, true) !== DURABLE_MAGIC || view.getUint32(4, true) !== crc32c(slot.subarray(8)))
    return undefined;
  if (Buffer.from(slot.subarray(32, 48)).toString('hex') !== objectId) return undefined;
  return {
    sequence: getU64(view, 8),
    length: getU64(view, 16),
    baseLimit: getU64(view, 24),
    complete: (view.getUint32(64, true) & COMPLETE) !== 0,
    bits: slot.slice(IMAGE_HEADER),
  };
}

/** Header of the current image. Its bits carry no checksum: they change one word at a time. */
export function encodeCurrent(
  objectId: string,
  boot: Uint8Array,
  length: number,
  baseLimit: number,
  bits: number,
): Uint8Array {
  const header = encodeHeader(CURRENT_MAGIC, objectId, { sequence: 0, length, baseLimit, complete: false }, bits);
  header.set(boot, 48);
  viewOf(header).setUint32(4, crc32c(header.subarray(8)), true);
  return header;
}

/** The current header, 'none' when never written (zeros), 'broken' when not whole or of another object. */
export function decodeCurrent(
  objectId: string,
  header: Uint8Array,
): { boot: Uint8Array; length: number; baseLimit: number } | 'none' | 'broken' {
  if (header.every((byte) => byte === 0)) return 'none';
  const view = viewOf(header);
  if (view.getUint32(0, true) !== CURRENT_MAGIC || view.getUint32(4, true) !== crc32c(header.subarray(8)))
    return 'broken';
  if (Buffer.from(header.subarray(32, 48)).toString('hex') !== objectId) return 'broken';
  return { boot: header.slice(48, 64), length: getU64(view, 16), baseLimit: getU64(view, 24) };
}
