// Decoder of LZ4 frames (github.com/lz4/lz4, doc/lz4_Frame_format.md), as `lz4` writes them: archived WAL segments.

import { decodeLz4Block } from '../codec/lz4.js';
import { xxh32 } from './xxh32.js';

/*
 *   u32 magic | u8 FLG | u8 BD | [u64 content size] | [u32 dictionary id] | u8 header checksum
 *   then blocks: u32 size (top bit: stored) | bytes | [u32 checksum]; size 0 ends them; then [u32 content checksum]
 *
 *   FLG  7-6 version (01)   5 independent blocks   4 block checksums   3 content size   2 content checksum   0 dictionary
 *   BD   6-4 largest block: 4 = 64 KiB, 5 = 256 KiB, 6 = 1 MiB, 7 = 4 MiB
 */
const MAGIC = 0x184d2204;
const SKIPPABLE = 0x184d2a50;

/** With all that it may have. */
const LONGEST_HEADER = 19;

/**
 * Decodes one or more frames with all their checksums.
 * @param limit most bytes the result may have
 * @param partial it may be cut off anywhere: the blocks before that count
 * @throws Error when anything is damaged, cut off or larger than that
 */
export function decodeLz4Frames(source: Uint8Array, limit: number, partial = false): Buffer {
  const parts: Buffer[] = [];
  let at = 0;
  let total = 0;
  while (at < source.length) {
    if (partial && source.length - at < LONGEST_HEADER) break;
    const magic = word(source, at);
    if ((magic & 0xfffffff0) >>> 0 === SKIPPABLE) {
      at += 8 + word(source, at + 4);
      if (at > source.length) throw new Error('lz4: cut off');
      continue;
    }
    if (magic !== MAGIC) throw new Error('lz4: no frame');
    const frame = decodeFrame(source, at + 4, limit - total, partial);
    parts.push(frame.content);
    total += frame.content.length;
    at = frame.end;
  }
  if (parts.length === 0 && !partial) throw new Error('lz4: no frame');
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
}

function decodeFrame(
  source: Uint8Array,
  start: number,
  limit: number,
  partial: boolean,
): { content: Buffer; end: number } {
  const flags = byte(source, start);
  if (flags >> 6 !== 1) throw new Error(`lz4: frame of unknown version ${flags >> 6}`);
  if ((flags & 1) !== 0) throw new Error('lz4: needs a dictionary');
  const [independent, blockSums = false, sized, contentSum = false] = [0x20, 0x10, 8, 4].map(
    (bit) => (flags & bit) !== 0,
  );
  const blockMaximum = 1 << (8 + 2 * ((byte(source, start + 1) >> 4) & 7));
  let at = start + 2;
  const declared = sized ? word(source, at) + word(source, at + 4) * 2 ** 32 : undefined;
  if (sized) at += 8;
  if (byte(source, at) !== ((xxh32(source.subarray(start, at)) >> 8) & 0xff))
    throw new Error('lz4: wrong checksum of the frame header');
  at++;
  if (declared !== undefined && declared > limit) throw new Error(`lz4: makes ${declared} bytes`);
  let out = Buffer.allocUnsafe(declared ?? Math.min(limit, DEFAULT_ROOM));
  let made = 0;
  for (;;) {
    if (partial && !isWhole(source, at, blockSums, contentSum))
      return { content: out.subarray(0, made), end: source.length };
    const size = word(source, at);
    at += 4;
    if (size === 0) break;
    const end = at + (size & 0x7fffffff);
    if (end > source.length) throw new Error('lz4: cut off');
    if (out.length - made < blockMaximum && out.length < limit && declared === undefined) {
      out = Buffer.concat([out.subarray(0, made)], Math.min(limit, out.length * 2 + blockMaximum));
    }
    const room = Math.min(out.length, made + blockMaximum);
    if (size >>> 31 !== 0) {
      if (end - at > room - made) throw new Error('lz4: makes more than it may');
      out.set(source.subarray(at, end), made);
      made += end - at;
    } else {
      made = decodeLz4Block(source, at, end, out, made, room, independent ? made : 0);
    }
    if (blockSums && word(source, end) !== xxh32(source.subarray(at, end)))
      throw new Error('lz4: wrong checksum of a block');
    at = blockSums ? end + 4 : end;
  }
  const content = out.subarray(0, made);
  if (declared !== undefined && declared !== made) throw new Error(`lz4: makes ${made} bytes instead of ${declared}`);
  if (contentSum && word(source, at) !== xxh32(content)) throw new Error('lz4: wrong checksum of the content');
  return { content, end: contentSum ? at + 4 : at };
}

/** Whether the block at `at`, or the end of the frame, is there to its last byte. */
function isWhole(source: Uint8Array, at: number, blockSums: boolean, contentSum: boolean): boolean {
  if (at + 4 > source.length) return false;
  const size = word(source, at) & 0x7fffffff;
  const hasSum = size === 0 ? contentSum : blockSums;
  return at + 4 + size + (hasSum ? 4 : 0) <= source.length;
}

const DEFAULT_ROOM = 16 << 20;

function byte(source: Uint8Array, at: number): number {
  if (at >= source.length) throw new Error('lz4: cut off');
  return source[at]!;
}

function word(source: Uint8Array, at: number): number {
  if (at + 4 > source.length) throw new Error('lz4: cut off');
  return (source[at]! | (source[at + 1]! << 8) | (source[at + 2]! << 16) | (source[at + 3]! << 24)) >>> 0;
}
